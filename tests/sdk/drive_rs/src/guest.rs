// SPDX-License-Identifier: Apache-2.0
//! Operations within a guest: commands, files, frames.

use crate::args::*;
use crate::sandbox::live;
use crate::{lock, Driver, Exec, Object};
use microsandbox::json::Value;
use microsandbox::{
    AgentClient, ExecEvent, ExecHandle, ExecOptionsBuilder, ExecOutput, ExitStatus, FsMetadata,
    FsSetAttrs, RawFrame, SandboxFs, Volume,
};
use std::io::{Read, Write};
use std::sync::{Arc, Mutex};

fn exec_options(mut b: ExecOptionsBuilder, a: Args<'_>) -> Answer<ExecOptionsBuilder> {
    b = b.args(a.texts("args")?).envs(a.pairs("env")?).tty(a.flag("tty")?);
    if let Some(cwd) = a.text_or("cwd")? {
        b = b.cwd(cwd);
    }
    if let Some(user) = a.text_or("user")? {
        b = b.user(user);
    }
    if let Some(timeout) = a.millis("timeout_ms")? {
        b = b.timeout(timeout);
    }
    for limit in a.get("rlimits").and_then(Value::as_array).unwrap_or(&[]) {
        let limit = Args(limit);
        let soft = limit.int("soft")?;
        b = b.rlimit_range(limit.text("resource")?, soft, limit.int_or("hard")?.unwrap_or(soft));
    }
    Ok(match a.get("stdin") {
        None => b,
        Some(v) => match v.as_str() {
            Some("null") => b.stdin_null(),
            Some("pipe") => b.stdin_pipe(),
            _ => b.stdin_bytes(to_bytes(v)?),
        },
    })
}

/// A method that takes a closure, which may fail.
macro_rules! with_options {
    ($s:expr, $method:ident, $what:expr, $a:expr) => {{
        let mut error = None;
        let result = $s.$method($what, |b| {
            let fallback = b.clone();
            exec_options(b, $a).unwrap_or_else(|e| {
                error = Some(e);
                fallback
            })
        });
        match error {
            Some(e) => Err(e),
            None => result.map_err(Failure::from),
        }
    }};
}

fn signal_of(status: ExitStatus) -> i32 {
    status.signal().unwrap_or(0)
}

fn output(o: ExecOutput) -> Value {
    let mut v = Value::object();
    v.set("code", o.status().code())
        .set("signal", signal_of(o.status()))
        .set("stdout", from_bytes(o.stdout_bytes()))
        .set("stderr", from_bytes(o.stderr_bytes()));
    v
}

fn started(d: &Driver, a: Args<'_>, mut handle: ExecHandle) -> Answer {
    let mut v = Value::object();
    v.set("id", handle.id());
    let stdin = Mutex::new(handle.take_stdin());
    let control = handle.control();
    let exec = Exec { handle: Mutex::new(Some(handle)), control, stdin };
    d.add(a, Object::Exec(Arc::new(exec)))?;
    Ok(v)
}

fn exec(d: &Driver, a: Args<'_>) -> Answer<Arc<Exec>> {
    match d.find(a, "exec")? {
        Object::Exec(x) => Ok(x),
        _ => Err(Failure::Driver("not a command".into())),
    }
}

fn event(e: ExecEvent) -> Value {
    let mut v = Value::object();
    match e {
        ExecEvent::Started { pid } => v.set("event", "started").set("pid", pid),
        ExecEvent::Stdout(data) => v.set("event", "stdout").set("data", from_bytes(&data)),
        ExecEvent::Stderr(data) => v.set("event", "stderr").set("data", from_bytes(&data)),
        ExecEvent::StdinError { message } => v.set("event", "stdin_error").set("message", message),
        ExecEvent::Exited(status) => {
            v.set("event", "exited").set("code", status.code()).set("signal", signal_of(status))
        }
        other => v.set("event", format!("{other:?}")),
    };
    v
}

fn with_handle<T>(
    x: &Exec,
    f: impl FnOnce(&mut ExecHandle) -> Result<T, microsandbox::MicrosandboxError>,
) -> Answer<T> {
    match lock(&x.handle).as_mut() {
        Some(handle) => Ok(f(handle)?),
        None => Err(Failure::Driver("the command was collected".into())),
    }
}

fn commands(d: &Driver, op: &str, a: Args<'_>) -> Answer {
    match op {
        "exec" => Ok(output(with_options!(live(d, a)?, exec_with, a.text("command")?, a)?)),
        "shell" => Ok(output(with_options!(live(d, a)?, shell_with, a.text("script")?, a)?)),
        "exec_start" => {
            started(d, a, with_options!(live(d, a)?, exec_stream_with, a.text("command")?, a)?)
        }
        "shell_start" => {
            started(d, a, with_options!(live(d, a)?, shell_stream_with, a.text("script")?, a)?)
        }
        "exec_recv" => Ok(with_handle(&*exec(d, a)?, ExecHandle::recv)?.map(event).into()),
        "exec_write" => {
            let (x, data) = (exec(d, a)?, a.bytes("data")?);
            match lock(&x.stdin).as_mut() {
                Some(stdin) => stdin.write_all(&data)?,
                None => return Err(Failure::Driver("the command has no input".into())),
            }
            Ok(Value::Null)
        }
        "exec_close_stdin" => {
            if let Some(stdin) = lock(&exec(d, a)?.stdin).take() {
                stdin.close()?;
            }
            Ok(Value::Null)
        }
        "exec_kill" => Ok(exec(d, a)?.control.kill().map(|()| Value::Null)?),
        "exec_signal" => Ok(exec(d, a)?.control.signal(a.int("signal")?).map(|()| Value::Null)?),
        "exec_resize" => {
            let x = exec(d, a)?;
            Ok(x.control.resize(a.int("rows")?, a.int("cols")?).map(|()| Value::Null)?)
        }
        "exec_wait" => {
            let status = with_handle(&*exec(d, a)?, ExecHandle::wait)?;
            let mut v = Value::object();
            v.set("code", status.code()).set("signal", signal_of(status));
            Ok(v)
        }
        _ => {
            let taken = lock(&exec(d, a)?.handle).take();
            match taken {
                Some(handle) => Ok(output(handle.collect()?)),
                None => Err(Failure::Driver("the command was collected".into())),
            }
        }
    }
}

fn fs(d: &Driver, a: Args<'_>) -> Answer<SandboxFs> {
    Ok(match a.text_or("volume")? {
        Some(name) => Volume::get(name)?.fs()?,
        None => live(d, a)?.fs(),
    })
}

fn stat(m: FsMetadata) -> Value {
    let mut v = Value::object();
    v.set("kind", m.kind)
        .set("mode", m.mode)
        .set("size", m.size)
        .set("modified_ms", millis_of(m.modified));
    v
}

fn read_stream(fs: &SandboxFs, path: &str) -> Answer {
    let mut stream = fs.read_stream(path)?;
    let mut buf = vec![0; 64 << 10];
    let (mut size, mut sum) = (0u64, 0u64);
    loop {
        let n = stream.read(&mut buf)?;
        if n == 0 {
            break;
        }
        size += n as u64;
        sum += buf[..n].iter().map(|b| u64::from(*b)).sum::<u64>();
    }
    let mut v = Value::object();
    v.set("size", size).set("sum", sum);
    Ok(v)
}

fn write_stream(fs: &SandboxFs, a: Args<'_>) -> Answer {
    let (size, chunk) = (a.int::<usize>("size")?, a.int::<usize>("chunk")?.max(1));
    let mut stream = fs.write_stream(a.text("path")?)?;
    let mut at = 0;
    while at < size {
        let end = size.min(at + chunk);
        let piece: Vec<u8> = (at..end).map(|i| (i % 251) as u8).collect();
        stream.write_all(&piece)?;
        at = end;
    }
    stream.close()?;
    Ok(Value::Null)
}

fn path_value(p: std::path::PathBuf) -> Value {
    p.to_string_lossy().into_owned().into()
}

fn list(fs: &SandboxFs, path: &str) -> Answer {
    let entries = fs.list(path)?;
    let all = entries.iter().map(|e| {
        let mut v = Value::object();
        v.set("name", e.name().to_string_lossy().into_owned())
            .set("kind", e.kind())
            .set("mode", e.metadata.mode)
            .set("size", e.metadata.size);
        v
    });
    Ok(all.collect::<Vec<_>>().into())
}

fn files(d: &Driver, op: &str, a: Args<'_>) -> Answer {
    let fs = fs(d, a)?;
    match op {
        "fs_copy" => fs.copy(a.text("from")?, a.text("to")?)?,
        "fs_rename" => fs.rename(a.text("from")?, a.text("to")?)?,
        "fs_copy_from_host" => fs.copy_from_host(a.text("host")?, a.text("guest")?)?,
        "fs_copy_to_host" => fs.copy_to_host(a.text("guest")?, a.text("host")?)?,
        _ => return on_path(&fs, op, a.text("path")?, a),
    }
    Ok(Value::Null)
}

fn on_path(fs: &SandboxFs, op: &str, path: &str, a: Args<'_>) -> Answer {
    match op {
        "fs_read" => return Ok(from_bytes(&fs.read(path)?)),
        "fs_read_text" => return Ok(fs.read_to_string(path)?.into()),
        "fs_list" => return list(fs, path),
        "fs_stat" => {
            let follow = a.get("follow").map_or(Ok(true), as_bool)?;
            return Ok(stat(fs.stat_with_follow(path, follow)?));
        }
        "fs_exists" => return Ok(fs.exists(path)?.into()),
        "fs_read_link" => return Ok(path_value(fs.read_link(path)?)),
        "fs_real_path" => return Ok(path_value(fs.real_path(path)?)),
        "fs_read_stream" => return read_stream(fs, path),
        "fs_write_stream" => return write_stream(fs, a),
        "fs_write" => fs.write(path, a.bytes("data")?)?,
        "fs_mkdir" => fs.mkdir(path)?,
        "fs_remove" => fs.remove(path)?,
        "fs_remove_dir" => fs.remove_dir(path)?,
        "fs_symlink" => fs.symlink(a.text("target")?, path)?,
        "fs_set_mode" => {
            let attrs = FsSetAttrs { mode: Some(a.int("mode")?), ..Default::default() };
            fs.set_stat(path, true, &attrs)?;
        }
        _ => return Err(Failure::Driver(format!("there is no operation {op}"))),
    }
    Ok(Value::Null)
}

fn client(d: &Driver, a: Args<'_>) -> Answer<AgentClient> {
    match d.find(a, "agent")? {
        Object::Agent(client) => Ok(client),
        _ => Err(Failure::Driver("not a client".into())),
    }
}

fn frame(f: RawFrame) -> Value {
    let mut v = Value::object();
    v.set("id", f.id).set("flags", f.flags).set("body", from_bytes(&f.body));
    v
}

fn agent_connect(d: &Driver, a: Args<'_>) -> Answer {
    let client = match (a.text_or("path")?, a.millis("timeout_ms")?) {
        (Some(path), Some(t)) => AgentClient::connect_with_timeout(path, t)?,
        (Some(path), None) => AgentClient::connect(path)?,
        (None, Some(t)) => AgentClient::connect_sandbox_with_timeout(a.text("name")?, t)?,
        (None, None) => AgentClient::connect_sandbox(a.text("name")?)?,
    };
    let ids = client.id_range();
    let mut v = Value::object();
    v.set("first", ids.start).set("end", ids.end);
    d.add(a, Object::Agent(client))?;
    Ok(v)
}

fn frames(d: &Driver, op: &str, a: Args<'_>) -> Answer {
    match op {
        "agent_connect" => agent_connect(d, a),
        "agent_ready" => Ok(from_bytes(client(d, a)?.ready_bytes())),
        "agent_request" => {
            let (flags, body) = (a.int("flags")?, a.bytes("body")?);
            let timeout = a.millis("timeout_ms")?;
            Ok(frame(client(d, a)?.request_raw_with_timeout(flags, body, timeout)?))
        }
        "agent_stream" => {
            let stream = client(d, a)?.stream_raw(a.int("flags")?, a.bytes("body")?)?;
            let mut v = Value::object();
            v.set("id", stream.id());
            d.add(a, Object::Stream(Arc::new(Mutex::new(stream))))?;
            Ok(v)
        }
        "agent_next" => {
            let stream = match d.find(a, "stream")? {
                Object::Stream(stream) => stream,
                _ => return Err(Failure::Driver("not a stream of frames".into())),
            };
            let next = lock(&stream).recv()?;
            Ok(next.map(frame).into())
        }
        "agent_send" => {
            client(d, a)?.send_raw(a.int("id")?, a.int("flags")?, a.bytes("body")?)?;
            Ok(Value::Null)
        }
        "agent_close" => {
            client(d, a)?.close();
            Ok(Value::Null)
        }
        _ => Err(Failure::Driver(format!("there is no operation {op}"))),
    }
}

pub fn perform(d: &Driver, op: &str, a: Args<'_>) -> Option<Answer> {
    const COMMANDS: [&str; 11] = [
        "exec",
        "shell",
        "exec_start",
        "shell_start",
        "exec_recv",
        "exec_write",
        "exec_close_stdin",
        "exec_kill",
        "exec_signal",
        "exec_resize",
        "exec_wait",
    ];
    if COMMANDS.contains(&op) || op == "exec_collect" {
        Some(commands(d, op, a))
    } else if op.starts_with("fs_") {
        Some(files(d, op, a))
    } else if op.starts_with("agent_") {
        Some(frames(d, op, a))
    } else {
        None
    }
}
