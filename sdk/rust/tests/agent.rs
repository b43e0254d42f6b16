// SPDX-License-Identifier: Apache-2.0
//! Clients of a guest's agent, in bytes and in messages.

mod common;

use common::{small, with_place};
use microsandbox::agent::*;
use microsandbox::*;
use std::thread;
use std::time::Duration;

fn with_client(f: impl FnOnce(&Sandbox, &AgentClient)) {
    with_place(|_| {
        let sandbox = small("guest").create().unwrap();
        let client = AgentClient::connect_sandbox("guest").unwrap();
        f(&sandbox, &client);
    });
}

#[test]
fn frames() {
    with_client(|_, client| {
        let ids = client.id_range();
        assert!(ids.start >= 1 && ids.end > ids.start);
        assert!(!client.ready_bytes().is_empty());
        let body = Message::encode(MessageType::Ping, &Empty).unwrap();
        let pong = client.request_raw(0, &body).unwrap();
        assert!(pong.is_terminal() && ids.contains(&pong.id));

        let request = ExecRequest::new("echo", ["raw"]);
        let body = Message::encode(MessageType::ExecRequest, &request).unwrap();
        let stream = client.stream_raw(FLAG_SESSION_START, body).unwrap();
        let id = stream.id();
        let frames: Vec<_> = stream.collect::<MicrosandboxResult<_>>().unwrap();
        assert!(frames.iter().all(|f| f.id == id));
        assert!(frames.last().unwrap().is_terminal());
        assert_eq!(frames.iter().filter(|f| f.is_terminal()).count(), 1);
    });
}

#[test]
fn messages() {
    with_client(|_, client| {
        let ready = client.ready().unwrap();
        assert!(ready.ready_time_ns >= ready.boot_time_ns);
        assert!(client.generation() >= 6);
        let pong = client.request(MessageType::Ping, &Empty).unwrap();
        assert_eq!(pong.message_type, MessageType::Pong);
        let touched = client.request(MessageType::Touch, &Empty).unwrap();
        assert!(touched.payload::<Touched>().unwrap().activity_seq > 0);

        let cat = ExecRequest { env: vec!["A=1".into()], ..ExecRequest::new("cat", [""; 0]) };
        let mut stream = client.stream(MessageType::ExecRequest, &cat).unwrap();
        let id = stream.id();
        let started = stream.recv().unwrap().unwrap();
        assert!(started.payload::<ExecStarted>().unwrap().pid > 1);
        client.send(id, MessageType::ExecStdin, &ExecStdin { data: b"typed".to_vec() }).unwrap();
        let out = stream.recv().unwrap().unwrap();
        assert_eq!(out.message_type, MessageType::ExecStdout);
        assert_eq!(out.payload::<ExecOutputData>().unwrap().data, b"typed");
        client.send(id, MessageType::ExecStdin, &ExecStdin::default()).unwrap();
        let last = stream.recv().unwrap().unwrap();
        assert_eq!(last.payload::<ExecExited>().unwrap().code, 0);
        assert!(last.is_terminal() && stream.recv().unwrap().is_none());

        let op = FsOp::Stat { path: "/etc/passwd".into(), follow_symlink: true };
        let answer = client.request(MessageType::FsRequest, &FsRequest { op }).unwrap();
        match answer.payload::<FsResponse>().unwrap() {
            FsResponse { ok: true, data: Some(FsResponseData::Stat(info)), .. } => {
                assert_eq!(info.kind, "file");
            }
            other => panic!("{other:?}"),
        }
        let failed = client.stream(MessageType::ExecRequest, &ExecRequest::new("/no", [""; 0]));
        let failed = failed.unwrap().recv().unwrap().unwrap();
        assert_eq!(failed.payload::<ExecFailed>().unwrap().kind, "not_found");
        // A payload of another message is not taken for this one.
        assert!(failed.payload::<ExecExited>().is_err());
    });
}

#[test]
fn one_client_of_many_threads() {
    with_client(|_, client| {
        thread::scope(|scope| {
            for i in 0..16 {
                scope.spawn(move || {
                    let request = ExecRequest::new("echo", [i.to_string()]);
                    let stream = client.stream(MessageType::ExecRequest, &request).unwrap();
                    let mut out = Vec::new();
                    for message in stream {
                        let message = message.unwrap();
                        if message.message_type == MessageType::ExecStdout {
                            out.extend(message.payload::<ExecOutputData>().unwrap().data);
                        }
                    }
                    assert_eq!(out, format!("{i}\n").into_bytes());
                });
            }
        });
    });
}

#[test]
fn closing_ends_waits() {
    with_client(|sandbox, client| {
        let sleep = ExecRequest::new("sleep", ["1000"]);
        let mut stream = client.stream(MessageType::ExecRequest, &sleep).unwrap();
        stream.recv().unwrap();
        let waiter = thread::spawn(move || stream.recv().map(drop));
        client.close();
        client.close();
        assert_eq!(waiter.join().unwrap().unwrap_err().kind(), ErrorKind::AgentClosed);
        let after = client.request(MessageType::Ping, &Empty).unwrap_err();
        assert_eq!(after.kind(), ErrorKind::AgentClosed);
        let socket = sandbox.handle().unwrap().agent_socket().to_path_buf();
        let other = AgentClient::connect_with_timeout(&socket, Duration::from_secs(10)).unwrap();
        other.request(MessageType::Ping, &Empty).unwrap();
        sandbox.stop().unwrap();
        let gone = AgentClient::connect_sandbox("guest").unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::SandboxState);
    });
}
