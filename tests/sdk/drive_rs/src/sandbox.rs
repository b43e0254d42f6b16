// SPDX-License-Identifier: Apache-2.0
//! Operations of sandboxes, their logs and metrics.

use crate::args::*;
use crate::store::events;
use crate::{lock, options, Driver, Object};
use microsandbox::json::Value;
use microsandbox::{
    all_sandbox_metrics, LogEntry, LogOptions, LogSource, LogStream, LogStreamOptions,
    LogStreamStart, Metrics, Sandbox, SandboxHandle,
};
use std::sync::{Arc, Mutex};

/// A live sandbox.
pub fn live(d: &Driver, a: Args<'_>) -> Answer<Sandbox> {
    match d.find(a, "sandbox")? {
        Object::Sandbox(s) => Ok(s),
        _ => Err(Failure::Driver("not a live sandbox".into())),
    }
}

/// What `SANDBOX` stands for.
enum Any {
    Live(Sandbox),
    Handle(SandboxHandle),
}

fn any(d: &Driver, a: Args<'_>) -> Answer<Any> {
    if a.get("sandbox").is_none() {
        return Ok(Any::Handle(Sandbox::get(a.text("name")?)?));
    }
    match d.find(a, "sandbox")? {
        Object::Sandbox(s) => Ok(Any::Live(s)),
        Object::Handle(h) => Ok(Any::Handle(h)),
        _ => Err(Failure::Driver("not a sandbox".into())),
    }
}

fn handle(d: &Driver, a: Args<'_>) -> Answer<SandboxHandle> {
    match any(d, a)? {
        Any::Live(s) => Ok(s.handle()?),
        Any::Handle(h) => Ok(h),
    }
}

/// The same call of a live sandbox or a handle.
macro_rules! on {
    ($d:expr, $a:expr, $method:ident($($arg:expr),*)) => {
        match any($d, $a)? {
            Any::Live(s) => s.$method($($arg),*)?,
            Any::Handle(h) => h.$method($($arg),*)?,
        }
    };
}

fn named(s: &Sandbox) -> Value {
    let mut v = Value::object();
    v.set("name", s.name());
    v
}

fn keep(d: &Driver, a: Args<'_>, s: Sandbox) -> Answer {
    let v = named(&s);
    d.add(a, Object::Sandbox(s))?;
    Ok(v)
}

fn row(h: &SandboxHandle) -> Answer {
    let mut v = Value::object();
    v.set("name", h.name())
        .set("status", h.status())
        .set("config", h.config()?)
        .set("created_ms", millis_of(h.created_at()))
        .set("updated_ms", millis_of(h.updated_at()));
    Ok(v)
}

fn sources(a: Args<'_>) -> Answer<Vec<LogSource>> {
    let names = a.texts("sources")?;
    if names.iter().any(|n| n == "all") {
        return Ok(LogSource::ALL.to_vec());
    }
    names.iter().map(|n| Ok(n.parse()?)).collect()
}

fn entry(e: &LogEntry) -> Value {
    let mut v = Value::object();
    v.set("timestamp_ms", millis_of(e.timestamp))
        .set("source", e.source)
        .set("session", e.session.unwrap_or(0))
        .set("data", from_bytes(&e.data))
        .set("cursor", &e.cursor);
    v
}

fn sample(m: &Metrics) -> Value {
    let mut v = Value::object();
    v.set("cpu_percent", m.cpu_percent)
        .set("memory_bytes", m.memory_bytes)
        .set("memory_limit_bytes", m.memory_limit_bytes)
        .set("disk_read_bytes", m.disk_read_bytes)
        .set("disk_write_bytes", m.disk_write_bytes)
        .set("net_rx_bytes", m.net_rx_bytes)
        .set("net_tx_bytes", m.net_tx_bytes)
        .set("uptime_ms", m.uptime.as_millis() as u64)
        .set("timestamp_ms", millis_of(m.timestamp));
    v
}

fn create(d: &Driver, a: Args<'_>) -> Answer {
    let empty = Value::object();
    let options = a.get("options").unwrap_or(&empty);
    let b = options::apply(Sandbox::builder(a.text_or("name")?.unwrap_or("")), options)?;
    let s = if a.flag("detached")? { b.create_detached()? } else { b.create()? };
    keep(d, a, s)
}

fn create_progress(d: &Driver, a: Args<'_>) -> Answer {
    let empty = Value::object();
    let options = a.get("options").unwrap_or(&empty);
    let b = options::apply(Sandbox::builder(a.text_or("name")?.unwrap_or("")), options)?;
    let (progress, task) = if a.flag("detached")? {
        b.create_detached_with_pull_progress()?
    } else {
        b.create_with_pull_progress()?
    };
    let told = events(progress);
    let mut v = keep(d, a, task.join()?)?;
    v.set("events", told);
    Ok(v)
}

fn start(d: &Driver, a: Args<'_>) -> Answer {
    let h = handle(d, a)?;
    keep(d, a, if a.flag("detached")? { h.start_detached()? } else { h.start()? })
}

fn connect(d: &Driver, a: Args<'_>) -> Answer {
    let h = handle(d, a)?;
    keep(
        d,
        a,
        match a.millis("timeout_ms")? {
            Some(timeout) => h.connect_with_timeout(timeout)?,
            None => h.connect()?,
        },
    )
}

fn log_open(d: &Driver, a: Args<'_>) -> Answer {
    let start = match (a.text_or("cursor")?, a.time("since_ms")?) {
        (Some(cursor), None) => LogStreamStart::From(cursor.into()),
        (None, Some(since)) => LogStreamStart::Since(since),
        (None, None) => LogStreamStart::Beginning,
        _ => return type_error("a stream has one start"),
    };
    let options = LogStreamOptions {
        sources: sources(a)?,
        start,
        until: a.time("until_ms")?,
        follow: a.flag("follow")?,
        ..Default::default()
    };
    let stream: LogStream = on!(d, a, log_stream(&options));
    d.add(a, Object::Log(Arc::new(Mutex::new(stream))))?;
    Ok(Value::Null)
}

fn logs(d: &Driver, a: Args<'_>) -> Answer {
    let options = LogOptions {
        tail: a.int_or("tail")?,
        since: a.time("since_ms")?,
        until: a.time("until_ms")?,
        sources: sources(a)?,
        ..Default::default()
    };
    let entries: Vec<LogEntry> = on!(d, a, read_logs(&options));
    Ok(entries.iter().map(entry).collect::<Vec<_>>().into())
}

fn log_next(d: &Driver, a: Args<'_>) -> Answer {
    let stream = match d.find(a, "log")? {
        Object::Log(stream) => stream,
        _ => return Err(Failure::Driver("not a stream of logs".into())),
    };
    let next = lock(&stream).recv()?;
    Ok(next.as_ref().map(entry).into())
}

fn metrics_all() -> Answer {
    let mut v = Value::object();
    for (name, m) in all_sandbox_metrics()? {
        v.set(name, sample(&m));
    }
    Ok(v)
}

fn metrics_stream(d: &Driver, a: Args<'_>) -> Answer {
    let interval = a.millis("interval_ms")?.unwrap_or_default();
    let samples = live(d, a)?
        .metrics_stream(interval)
        .take(a.int("count")?)
        .map(|m| Ok(sample(&m?)))
        .collect::<Answer<Vec<_>>>()?;
    Ok(samples.into())
}

fn get(d: &Driver, a: Args<'_>) -> Answer {
    let h = Sandbox::get(a.text("name")?)?;
    let v = row(&h)?;
    d.add(a, Object::Handle(h))?;
    Ok(v)
}

fn info(d: &Driver, a: Args<'_>) -> Answer {
    let s = live(d, a)?;
    let mut v = named(&s);
    v.set("owns_lifecycle", s.owns_lifecycle());
    Ok(v)
}

fn stop(d: &Driver, a: Args<'_>) -> Answer {
    match a.millis("timeout_ms")? {
        Some(timeout) => on!(d, a, stop_with_timeout(timeout)),
        None => on!(d, a, stop()),
    };
    Ok(Value::Null)
}

fn wait(d: &Driver, a: Args<'_>) -> Answer {
    let exit = live(d, a)?.wait()?;
    let mut v = Value::object();
    v.set("code", exit.exit_code.unwrap_or(-1));
    Ok(v)
}

fn detach(d: &Driver, a: Args<'_>) -> Answer {
    match d.take(a, "sandbox")? {
        Some(Object::Sandbox(s)) => s.detach()?,
        _ => return Err(Failure::Driver("not a live sandbox".into())),
    }
    Ok(Value::Null)
}

fn remove(d: &Driver, a: Args<'_>) -> Answer {
    match any(d, a)? {
        Any::Live(s) => s.remove_persisted()?,
        Any::Handle(h) => h.remove()?,
    }
    Ok(Value::Null)
}

pub fn perform(d: &Driver, op: &str, a: Args<'_>) -> Option<Answer> {
    Some(match op {
        "create" => create(d, a),
        "create_progress" => create_progress(d, a),
        "start" => start(d, a),
        "get" => get(d, a),
        "list" => Sandbox::list()
            .map_err(Failure::from)
            .and_then(|all| all.iter().map(row).collect::<Answer<Vec<_>>>())
            .map(Value::from),
        "connect" => connect(d, a),
        "info" => info(d, a),
        "stop" => stop(d, a),
        "kill" => (|| Ok(on!(d, a, kill())))().map(|()| Value::Null),
        "request_stop" => (|| Ok(on!(d, a, request_stop())))().map(|()| Value::Null),
        "wait" => wait(d, a),
        "detach" => detach(d, a),
        "remove" => remove(d, a),
        "logs" => logs(d, a),
        "log_open" => log_open(d, a),
        "log_next" => log_next(d, a),
        "metrics" => (|| Ok(sample(&on!(d, a, metrics()))))(),
        "metrics_all" => metrics_all(),
        "metrics_stream" => metrics_stream(d, a),
        _ => return None,
    })
}
