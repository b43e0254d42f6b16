// SPDX-License-Identifier: Apache-2.0
//! What client.c does, by the crate.

use microsandbox::{ExecEvent, MicrosandboxResult, Sandbox};
use std::io::{self, BufRead, Write};
use std::thread;
use std::time::Instant;

fn run_true(sandbox: &Sandbox) -> MicrosandboxResult<()> {
    sandbox.exec("true", [""; 0])?;
    Ok(())
}

fn stream(sandbox: &Sandbox, size: usize) -> MicrosandboxResult<()> {
    let mut total = 0;
    let mut x = sandbox.exec_stream("head", ["-c", &size.to_string(), "/dev/zero"])?;
    while let Some(event) = x.recv()? {
        if let ExecEvent::Stdout(data) = event {
            total += data.len();
        }
    }
    assert_eq!(total, size);
    Ok(())
}

fn many(sandbox: &Sandbox, n: usize) {
    thread::scope(|scope| {
        for _ in 0..n {
            scope.spawn(|| run_true(sandbox).expect("true runs"));
        }
    });
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::get("bench")?.connect()?;
    for line in io::stdin().lock().lines() {
        let line = line?;
        let (what, n) = line.split_once(' ').unwrap_or((&line, "1"));
        let n: usize = n.parse()?;
        let mut took = Vec::new();
        let mut start = Instant::now();
        if what == "exec" {
            for _ in 0..n {
                start = Instant::now();
                run_true(&sandbox)?;
                took.push(start.elapsed().as_micros().to_string());
            }
        } else {
            if what == "stream" {
                stream(&sandbox, n)?;
            } else {
                many(&sandbox, n);
            }
            took.push(start.elapsed().as_micros().to_string());
        }
        println!("{}", took.join(" "));
        io::stdout().flush()?;
    }
    Ok(())
}
