// SPDX-License-Identifier: Apache-2.0
//! Commands, files and logs of a guest.

mod common;

use common::{small, wait_for, with_place};
use microsandbox::*;
use std::io::{Read, Seek, SeekFrom, Write};
use std::thread;
use std::time::{Duration, SystemTime};

const NONE: [&str; 0] = [];

fn with_guest(f: impl FnOnce(&Sandbox)) {
    with_place(|_| f(&small("guest").create().unwrap()));
}

#[test]
fn commands_run_to_their_end() {
    with_guest(|s| {
        let output = s.exec("sh", ["-c", "echo out; echo err >&2; exit 3"]).unwrap();
        assert_eq!((output.status().code(), output.status().success()), (3, false));
        assert_eq!((output.stdout().unwrap(), output.stderr().unwrap()), ("out\n", "err\n"));
        let killed = s.shell("kill -9 $$").unwrap().status();
        assert_eq!((killed.code(), killed.signal()), (-1, Some(9)));
        let output = s
            .exec_with("sh", |e| {
                e.args(["-c", "cat; echo $A; pwd; id -un; ulimit -n"])
                    .env("A", "1")
                    .cwd("/tmp")
                    .user("nobody")
                    .rlimit("nofile", 77)
                    .stdin_bytes("in\n")
            })
            .unwrap();
        assert_eq!(output.stdout().unwrap(), "in\n1\n/tmp\nnobody\n77\n");
        assert!(s.exec("printf", [r"\377"]).unwrap().stdout().is_err());
        let few = s.exec_with("seq", |e| e.arg("100000").output_max(10)).unwrap();
        assert!(few.truncated() && few.stdout_bytes().len() == 10);
    });
}

#[test]
fn what_cannot_run_says_why() {
    with_guest(|s| {
        match s.exec("/no/such", NONE) {
            Err(MicrosandboxError::ExecFailed(e)) => {
                assert_eq!(e.kind, ExecFailureKind::NotFound);
                assert_eq!(e.errno_name.as_deref(), Some("ENOENT"));
            }
            other => panic!("{other:?}"),
        }
        match s.exec_with("true", |e| e.cwd("/no/such")) {
            Err(MicrosandboxError::ExecFailed(e)) => assert_eq!(e.kind, ExecFailureKind::BadCwd),
            other => panic!("{other:?}"),
        }
        let limit = Duration::from_millis(300);
        match s.shell_with("echo begun; sleep 1000", |e| e.timeout(limit)) {
            Err(MicrosandboxError::ExecTimeout(e)) => {
                assert_eq!((e.stdout.as_slice(), e.timeout), (&b"begun\n"[..], Some(limit)));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(s.exec("a\0b", NONE).unwrap_err().kind(), ErrorKind::InvalidConfig);
    });
}

#[test]
fn commands_are_followed_and_controlled() {
    with_guest(|s| {
        let mut cat = s.exec_stream_with("cat", |e| e.stdin_pipe()).unwrap();
        assert!(!cat.id().is_empty());
        let mut stdin = cat.take_stdin().unwrap();
        assert!(cat.take_stdin().is_none());
        let writer = thread::spawn(move || {
            for i in 0..1000 {
                writeln!(stdin, "line {i} {}", "x".repeat(1000)).unwrap();
            }
        });
        let mut size = 0;
        let mut status = None;
        for event in &mut cat {
            match event.unwrap() {
                ExecEvent::Started { pid } => assert!(pid > 1),
                ExecEvent::Stdout(data) => size += data.len(),
                ExecEvent::Exited(s) => status = Some(s),
                other => panic!("{other:?}"),
            }
        }
        writer.join().unwrap();
        assert!(status.unwrap().success() && size > 1_000_000);
        assert_eq!(cat.recv().unwrap(), None);
        assert!(cat.wait().unwrap().success(), "it is known how it ended");

        let mut sleeper = s.exec_stream("sleep", ["1000"]).unwrap();
        let control = sleeper.control();
        let waiter = thread::spawn(move || sleeper.wait());
        let copy = control.clone();
        copy.kill().unwrap();
        assert_eq!(waiter.join().unwrap().unwrap().signal(), Some(9));
        assert_eq!(control.signal(99).unwrap_err().kind(), ErrorKind::InvalidConfig);

        let script = "trap 'stty size; exit 4' WINCH; echo ready; while :; do sleep 0.1; done";
        let mut shell = s.shell_stream_with(script, |e| e.tty(true)).unwrap();
        assert!(shell.is_tty());
        let mut text = String::new();
        while !text.contains("ready") {
            if let Some(ExecEvent::Stdout(data)) = shell.recv().unwrap() {
                text += &String::from_utf8_lossy(&data);
            }
        }
        shell.resize(50, 132).unwrap();
        let output = shell.collect().unwrap();
        assert_eq!(output.status().code(), 4);
        assert_eq!(output.stdout().unwrap().trim(), "50 132");
    });
}

#[test]
fn commands_end_with_their_handle() {
    with_guest(|s| {
        let gone = || !s.exec("pidof", ["sleep"]).unwrap().status().success();
        let mut sleeper = s.exec_stream("sleep", ["1000"]).unwrap();
        assert!(matches!(sleeper.recv(), Ok(Some(ExecEvent::Started { .. }))));
        assert_eq!(sleeper.recv_timeout(Duration::from_millis(10)).unwrap(), None);
        assert!(!gone());
        let control = sleeper.control();
        drop(sleeper);
        assert!(!gone(), "its control keeps it");
        drop(control);
        wait_for("the command to go", gone);

        let left = s.exec_stream("sleep", ["1000"]).unwrap();
        left.detach().unwrap();
        let mut back = s.reattach().unwrap();
        back.kill().unwrap();
        assert_eq!(back.wait().unwrap().signal(), Some(9));
    });
}

#[test]
fn tokens_end_calls_of_other_threads() {
    with_guest(|s| {
        let token = CancelToken::new().unwrap();
        let worker = thread::spawn({
            let (token, s) = (token.clone(), s.clone());
            move || token.run(|| s.shell("touch /tmp/there; exec sleep 1000"))
        });
        wait_for("the command to begin", || s.fs().exists("/tmp/there").unwrap());
        token.cancel();
        assert_eq!(worker.join().unwrap().unwrap_err().kind(), ErrorKind::Cancelled);
        assert!(token.is_cancelled());
        let again = token.run(|| s.exec("true", NONE));
        assert_eq!(again.unwrap_err().kind(), ErrorKind::Cancelled);
        s.exec("true", NONE).unwrap();
        let outer = CancelToken::new().unwrap();
        outer.run(|| {
            assert!(token.run(|| s.wait()).is_err());
            s.exec("true", NONE).unwrap();
        });
    });
}

#[test]
fn a_hundred_at_once_leave_nothing_behind() {
    with_guest(|s| {
        let descriptors = || std::fs::read_dir("/proc/self/fd").unwrap().count();
        s.exec("true", NONE).unwrap();
        let before = descriptors();
        thread::scope(|scope| {
            for i in 0..100 {
                scope.spawn(move || {
                    let output = s.exec("echo", [i.to_string()]).unwrap();
                    assert_eq!(output.stdout().unwrap(), format!("{i}\n"));
                });
            }
        });
        // Other tests of this process open and close theirs meanwhile.
        wait_for("descriptors to be closed", || descriptors() <= before + 40);
    });
}

#[test]
fn files() {
    with_guest(|s| {
        let fs = s.fs();
        fs.mkdir("/srv/a/b").unwrap();
        fs.write("/srv/a/f", b"contents").unwrap();
        fs.append("/srv/a/f", "!").unwrap();
        assert_eq!(fs.read_to_string("/srv/a/f").unwrap(), "contents!");
        let entries = fs.list("/srv/a").unwrap();
        let names: Vec<_> =
            entries.iter().map(|e| (e.name().to_str().unwrap(), e.kind())).collect();
        assert_eq!(names, [("b", FsEntryKind::Directory), ("f", FsEntryKind::File)]);
        assert_eq!(entries[1].path.to_str(), Some("/srv/a/f"));

        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let attrs = FsSetAttrs {
            mode: Some(0o640),
            uid: Some(1),
            gid: Some(2),
            size: Some(4),
            modified: Some(modified),
            ..Default::default()
        };
        fs.set_stat("/srv/a/f", true, &attrs).unwrap();
        let m = fs.stat("/srv/a/f").unwrap();
        assert_eq!((m.mode, m.uid, m.gid, m.size, m.modified), (0o640, 1, 2, 4, modified));
        assert!(m.is_file() && !m.is_dir() && !m.readonly());

        fs.symlink("f", "/srv/a/link").unwrap();
        assert_eq!(fs.read_link("/srv/a/link").unwrap().to_str(), Some("f"));
        assert_eq!(fs.real_path("/srv/a/link").unwrap().to_str(), Some("/srv/a/f"));
        let link = fs.stat_with_follow("/srv/a/link", false).unwrap();
        assert_eq!(link.kind, FsEntryKind::Symlink);
        fs.copy("/srv/a/f", "/srv/copy").unwrap();
        fs.rename("/srv/copy", "/srv/moved").unwrap();
        assert!(fs.exists("/srv/moved").unwrap() && !fs.exists("/srv/copy").unwrap());
        assert!(fs.remove_empty_dir("/srv").is_err());
        fs.remove("/srv/moved").unwrap();
        fs.remove_dir("/srv").unwrap();
        assert_eq!(fs.read("/srv/a/f").unwrap_err().kind(), ErrorKind::PathNotFound);
        let io = std::io::Error::from(fs.stat("/none").unwrap_err());
        assert_eq!(io.kind(), std::io::ErrorKind::NotFound);
        assert_eq!(MicrosandboxError::from(io).kind(), ErrorKind::PathNotFound);
        assert_eq!(fs.write("/tmp", "x").unwrap_err().kind_name(), "sandbox_fs");
    });
}

#[test]
fn open_files_and_streams() {
    with_guest(|s| {
        let fs = s.fs();
        let options = FsOpenOptions::new().read(true).write(true).create_new(true).mode(0o600);
        let mut file = fs.open_file("/root/file", options).unwrap();
        file.write_all(b"0123456789").unwrap();
        file.seek(SeekFrom::Start(3)).unwrap();
        let mut part = [0; 4];
        file.read_exact(&mut part).unwrap();
        assert_eq!(&part, b"3456");
        file.seek(SeekFrom::End(-1)).unwrap();
        let mut rest = String::new();
        file.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "9");
        file.write_at(0, "ab").unwrap();
        assert_eq!(file.read_at(8, &mut part).unwrap(), 2);
        file.set_stat(&FsSetAttrs { size: Some(2), ..Default::default() }).unwrap();
        let m = file.stat().unwrap();
        assert_eq!((m.size, m.mode), (2, 0o600));
        file.close().unwrap();
        assert!(fs.open_file("/root/file", options).is_err());

        let data: Vec<u8> = (0..5_000_000u32).map(|i| (i % 251) as u8).collect();
        let mut to = fs.write_stream("/root/big").unwrap();
        for piece in data.chunks(777_777) {
            to.write_all(piece).unwrap();
        }
        to.close().unwrap();
        assert_eq!(fs.read_stream("/root/big").unwrap().collect().unwrap(), data);
        let mut stream = fs.read_stream("/root/big").unwrap();
        let mut size = 0;
        while let Some(piece) = stream.recv().unwrap() {
            size += piece.len();
        }
        assert_eq!(size, data.len());
    });
}

#[test]
fn copies_between_host_and_guest() {
    with_place(|place| {
        let s = small("guest").create().unwrap();
        let (tree, back) = (place.path("tree"), place.path("back"));
        std::fs::create_dir_all(tree.join("sub")).unwrap();
        std::fs::write(tree.join("sub/file"), "x").unwrap();
        use microsandbox::fs::{copy_tree, CopyEnd};
        let report =
            copy_tree(CopyEnd::Host(&tree), CopyEnd::Guest(&s, "/root/tree".as_ref())).unwrap();
        assert!(report.skipped.is_empty());
        assert_eq!(s.fs().read("/root/tree/sub/file").unwrap(), b"x");
        s.fs().copy_to_host("/root/tree/sub/file", &back).unwrap();
        assert_eq!(std::fs::read(&back).unwrap(), b"x");
        s.fs().copy_from_host(&back, "/root/again").unwrap();
        assert!(s.fs().exists("/root/again").unwrap());
    });
}

#[test]
fn logs_have_cursors() {
    with_guest(|s| {
        s.shell("echo one; echo two >&2").unwrap();
        s.shell("echo three").unwrap();
        let mut entries = Vec::new();
        wait_for("entries", || {
            entries = s.read_logs(&LogOptions::default()).unwrap();
            entries.len() == 3
        });
        let texts: Vec<_> = entries.iter().map(|e| e.text().into_owned()).collect();
        assert_eq!(texts[2], "three\n");
        assert!(entries[0].session.is_some() && entries[2].session > entries[0].session);
        let only = LogOptions { sources: vec![LogSource::Stderr], ..Default::default() };
        assert_eq!(s.logs(&only).unwrap()[0].text(), "two\n");
        let last = LogOptions { tail: Some(1), ..Default::default() };
        assert_eq!(logs::read_logs("guest", &last).unwrap()[0].text(), "three\n");

        let start = LogStreamStart::From(entries[1].cursor.clone());
        let options = LogStreamOptions { start, follow: true, ..Default::default() };
        let mut stream = s.log_stream(&options).unwrap();
        assert_eq!(stream.recv().unwrap().unwrap().text(), "three\n");
        assert_eq!(stream.recv_timeout(Duration::from_millis(1)).unwrap(), None);
        assert!(!stream.ended());
        s.shell("echo later").unwrap();
        assert_eq!(stream.next().unwrap().unwrap().text(), "later\n");
        s.stop().unwrap();
        assert!(stream.next().is_none());
        assert!(stream.ended());

        let start = LogStreamStart::From("bm9uc2Vuc2U=".into());
        let options = LogStreamOptions { start, ..Default::default() };
        let wrong = match s.log_stream(&options) {
            Ok(mut stream) => stream.recv().unwrap_err(),
            Err(e) => e,
        };
        assert_eq!(wrong.kind(), ErrorKind::InvalidCursor);
        assert!(logs::log_dir_for("guest").unwrap().is_dir());
    });
}
