// SPDX-License-Identifier: Apache-2.0
//! Boots a sandbox, runs commands in it, and reads back a file:
//! `cargo run --example hello`.

use microsandbox::{ExecEvent, Image, PullOptions, Sandbox, SizeExt};
use std::io::Write;
use std::time::Duration;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    Image::pull("busybox", &PullOptions::new())?;
    let name = format!("hello-{}", std::process::id());
    let sandbox = Sandbox::builder(&name)
        .image("busybox")
        .memory(128.mib())
        .env("GREETING", "hello")
        .ephemeral(true)
        .create()?;

    let output = sandbox.shell("echo $GREETING from $(uname -s)")?;
    print!("{}", output.stdout()?);

    sandbox.fs().write("/tmp/numbers", "3\n1\n2\n")?;
    let sorted = sandbox.exec_with("sort", |e| {
        e.arg("/tmp/numbers").cwd("/tmp").timeout(Duration::from_secs(10))
    })?;
    print!("{}", sorted.stdout()?);

    let mut cat = sandbox.exec_stream_with("cat", |e| e.stdin_pipe())?;
    if let Some(mut stdin) = cat.take_stdin() {
        stdin.write_all(b"as it comes\n")?;
    }
    for event in cat {
        match event? {
            ExecEvent::Stdout(data) => std::io::stdout().write_all(&data)?,
            ExecEvent::Exited(status) => println!("{status}"),
            _ => {}
        }
    }
    sandbox.stop()?;
    Ok(())
}
