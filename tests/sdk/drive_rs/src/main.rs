// SPDX-License-Identifier: Apache-2.0
//! The driver of the behaviour table for Rust (tests/sdk/ops.md): does what
//! lines of JSON say, by the public interface of the crate.

mod args;
mod guest;
mod options;
mod sandbox;
mod store;

use args::{Answer, Args, Failure};
use microsandbox::json::Value;
use microsandbox::{
    AgentClient, AgentStream, CancelToken, ExecControl, ExecHandle, ExecSink, LogStream, Sandbox,
    SandboxHandle,
};
use std::collections::HashMap;
use std::io::{self, BufRead, Write};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

/// A command: whoever reads its events has the handle, others the rest.
pub struct Exec {
    pub handle: Mutex<Option<ExecHandle>>,
    pub control: ExecControl,
    pub stdin: Mutex<Option<ExecSink>>,
}

#[derive(Clone)]
pub enum Object {
    Sandbox(Sandbox),
    Handle(SandboxHandle),
    Exec(Arc<Exec>),
    Log(Arc<Mutex<LogStream>>),
    Agent(AgentClient),
    Stream(Arc<Mutex<AgentStream>>),
}

#[derive(Default)]
pub struct Driver {
    objects: Mutex<HashMap<String, Object>>,
    /// Of background requests that are under way.
    tokens: Mutex<HashMap<i64, CancelToken>>,
}

pub fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(|e| e.into_inner())
}

impl Driver {
    pub fn add(&self, args: Args<'_>, object: Object) -> Answer<()> {
        if let Some(name) = args.text_or("as")? {
            let old = lock(&self.objects).insert(name.to_string(), object);
            drop(old);
        }
        Ok(())
    }

    pub fn find(&self, args: Args<'_>, key: &str) -> Answer<Object> {
        let name = args.text(key)?;
        lock(&self.objects)
            .get(name)
            .cloned()
            .ok_or_else(|| Failure::Driver(format!("there is no object {name}")))
    }

    pub fn take(&self, args: Args<'_>, key: &str) -> Answer<Option<Object>> {
        Ok(lock(&self.objects).remove(args.text(key)?))
    }

    fn perform(&self, op: &str, args: Args<'_>) -> Answer {
        match op {
            "hello" => {
                let mut v = Value::object();
                v.set("language", "rust").set("version", microsandbox::version());
                Ok(v)
            }
            "cancel" => {
                if let Some(token) = lock(&self.tokens).get(&args.int("request")?) {
                    token.cancel();
                }
                Ok(Value::Null)
            }
            "drop" => {
                drop(self.take(args, "object")?);
                Ok(Value::Null)
            }
            // Nothing is ever left behind to be collected.
            "gc" => Ok(Value::Null),
            _ => sandbox::perform(self, op, args)
                .or_else(|| guest::perform(self, op, args))
                .or_else(|| store::perform(op, args))
                .unwrap_or_else(|| Err(Failure::Driver(format!("there is no operation {op}")))),
        }
    }
}

fn answer(id: i64, result: Answer) {
    let mut v = Value::object();
    v.set("id", id);
    match result {
        Ok(value) => v.set("ok", value),
        Err(e) => v.set("error", e.value()),
    };
    let mut out = io::stdout().lock();
    // Whoever asked may have gone.
    let _ = writeln!(out, "{v}").and_then(|()| out.flush());
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let driver = Arc::new(Driver::default());
    let mut threads = Vec::new();
    for line in io::stdin().lock().lines() {
        let request = Value::parse(&line?)?;
        let id = request.get("id").and_then(Value::as_i64).unwrap_or(0);
        let op = request.get("op").and_then(Value::as_str).unwrap_or("").to_string();
        let args = request.get("args").cloned().unwrap_or_else(Value::object);
        if request.get("background").and_then(Value::as_bool) != Some(true) {
            answer(id, driver.perform(&op, Args(&args)));
            continue;
        }
        let token = CancelToken::new()?;
        lock(&driver.tokens).insert(id, token.clone());
        let driver = driver.clone();
        threads.retain(|t: &thread::JoinHandle<()>| !t.is_finished());
        threads.push(thread::spawn(move || {
            let result = token.run(|| driver.perform(&op, Args(&args)));
            lock(&driver.tokens).remove(&id);
            answer(id, result);
        }));
    }
    for token in lock(&driver.tokens).values() {
        token.cancel();
    }
    for thread in threads {
        let _ = thread.join();
    }
    Ok(())
}
