// SPDX-License-Identifier: Apache-2.0
//! Life of sandboxes, their options, and what outlives them.

mod common;

use common::{small, wait_for, with_place};
use microsandbox::*;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

fn status(name: &str) -> SandboxStatus {
    Sandbox::get(name).unwrap().status()
}

#[test]
fn attached_ones_stop_when_they_are_dropped() {
    with_place(|_| {
        let sandbox = small("owned").create().unwrap();
        assert!(sandbox.owns_lifecycle());
        assert_eq!(status("owned"), SandboxStatus::Running);
        let copy = sandbox.clone();
        drop(sandbox);
        assert_eq!(copy.exec("echo", ["still"]).unwrap().stdout().unwrap(), "still\n");
        let fs = copy.fs();
        drop(copy);
        assert!(fs.exists("/").unwrap(), "what was made from it keeps it");
        drop(fs);
        wait_for("the sandbox to stop", || status("owned") == SandboxStatus::Stopped);
    });
}

#[test]
fn detached_ones_stay() {
    with_place(|_| {
        let sandbox = small("free").label("team", "a").create_detached().unwrap();
        assert!(!sandbox.owns_lifecycle());
        sandbox.fs().write("/root/kept", "kept").unwrap();
        drop(sandbox);
        let handle = Sandbox::get("free").unwrap();
        assert_eq!(handle.status(), SandboxStatus::Running);
        assert_eq!(handle.labels(), [("team".to_string(), "a".to_string())]);
        assert!(matches!(handle.remove(), Err(MicrosandboxError::SandboxStillRunning(_))));
        let live = handle.connect_with_timeout(Duration::from_secs(20)).unwrap();
        assert!(!live.owns_lifecycle());
        assert_eq!(live.config().unwrap().get("memory_mib").unwrap().as_u64(), Some(128));
        assert!(live.machine().unwrap().is_some());
        assert!(live.ping(Duration::from_secs(10)).unwrap() > Duration::ZERO);
        live.touch(Duration::from_secs(10)).unwrap();
        assert_eq!(live.wait_timeout(Duration::from_millis(1)).unwrap(), None);
        assert_eq!(handle.stop().unwrap(), StopResult::Graceful);
        assert_eq!(handle.stop().unwrap(), StopResult::NotRunning);
        let exit = live.wait().unwrap();
        assert_eq!((exit.status, exit.exit_code), (SandboxStatus::Stopped, None));
        assert!(matches!(handle.connect(), Err(MicrosandboxError::SandboxState(_))));
        assert_eq!(Sandbox::list().unwrap().len(), 1);
        assert_eq!(Sandbox::list_labelled(["team=b"]).unwrap().len(), 0);

        let again = Sandbox::start("free").unwrap();
        assert!(again.owns_lifecycle());
        assert_eq!(again.fs().read_to_string("/root/kept").unwrap(), "kept");
        again.detach().unwrap();
        assert_eq!(status("free"), SandboxStatus::Running);
        handle.kill().unwrap();
        Sandbox::remove("free").unwrap();
        let gone = Sandbox::get("free").unwrap_err();
        assert_eq!(gone.kind(), ErrorKind::SandboxNotFound);
        assert_eq!((gone.message(), gone.kind_name()), ("free", "sandbox_not_found"));
    });
}

#[test]
fn options_are_checked_by_the_library() {
    with_place(|_| {
        let invalid = |b: SandboxBuilder| match b.build() {
            Err(MicrosandboxError::InvalidConfig(e)) => e.text().to_string(),
            other => panic!("{other:?}"),
        };
        invalid(small("x").memory(0));
        invalid(small("x").cpus(0));
        invalid(small("no/name"));
        invalid(small("x").from_snapshot("y"));
        invalid(small("x").secret(|s| s.value("v").allow_host("example.com")));
        invalid(small("x").secret(|s| s.env("KEY").allow_host("example.com")));
        invalid(small("x").secret(|s| s.env("KEY").value("v")));
        invalid(small("x").env(OsStr::from_bytes(b"A\xff"), "1"));
        invalid(small("x").env("A", "nul\0"));
        invalid(small("x").volume("relative", |m| m.tmpfs()));
        invalid(small("x").rlimit_range("nofile", 2, 1));
        let suffix = NetworkPolicy::builder().egress(|r| r.allow_domain_suffixes(["com"])).build();
        invalid(small("x").network(|n| n.policy(suffix)));
        assert!(SandboxConfig::from_json("x", r#"{"image":"busybox","memroy_mib":1}"#).is_err());

        let config = small("x").env("B", "2").env("A", "1").build().unwrap();
        assert_eq!(config.name(), "x");
        assert_eq!(config.options().get("env").unwrap().to_string(), r#"{"B":"2","A":"1"}"#);
    });
}

#[test]
fn builders_say_what_the_library_stores() {
    with_place(|place| {
        let shared = place.path("shared");
        std::fs::create_dir(&shared).unwrap();
        std::fs::write(shared.join("file"), "from the host").unwrap();
        let policy = NetworkPolicy::builder()
            .default_egress(Action::Deny)
            .egress(|r| r.tcp().port(443).allow_domains(["example.com"]).deny_private())
            .rule(Rule::allow_egress(Destination::Cidr("192.0.2.0/24".into())).port(80..=90))
            .rule(Rule::allow_dns())
            .build();
        let sandbox = small("full")
            .env("GREETING", "hello")
            .workdir("/tmp")
            .hostname("guest")
            .script("greet", "#!/bin/sh\necho greetings\n")
            .rlimit("nofile", 100)
            .volume("/host", |m| m.bind(&shared).readonly())
            .volume("/memory", |m| m.tmpfs().size(4.mib()).noexec())
            .patch(|p| {
                p.text("/etc/motd", "patched", PatchOptions { replace: true, mode: Some(0o600) })
                    .mkdir("/made/here", None)
                    .symlink("here", "/made/link", false)
            })
            .network(|n| {
                n.policy(policy)
                    .dns(|d| d.nameservers(["192.0.2.1"]).query_timeout(Duration::from_secs(1)))
                    .ipv4_pool("172.20.0.0/16")
                    .max_connections(17)
            })
            .secret(|s| s.env("API_KEY").value("s3cret").allow_host("api.example.com"))
            .on_secret_violation(ViolationAction::Block)
            .create()
            .unwrap();
        let script = "echo $GREETING; hostname; pwd; cat /host/file; echo; \
                      touch /host/no 2>/dev/null || echo read-only; ulimit -n; greet; \
                      cat /etc/motd; readlink /made/link; echo $API_KEY";
        let output = sandbox.shell(script).unwrap();
        assert_eq!(
            output.stdout().unwrap(),
            "hello\nguest\n/tmp\nfrom the host\nread-only\n100\ngreetings\npatchedhere\n\
             $MSB_API_KEY\n"
        );
        let network = sandbox.config().unwrap().get("network").unwrap().to_string();
        for text in ["example.com", "192.0.2.1", "172.20.0.0/16"] {
            assert!(network.contains(text), "{text} is not in {network}");
        }
        assert!(!sandbox.config().unwrap().to_string().contains("s3cret"));
        assert!(sandbox.network_info().unwrap().as_object().is_some());
    });
}

#[test]
fn a_name_is_taken_or_replaced() {
    with_place(|_| {
        let first = small("name").create_detached().unwrap();
        first.fs().write("/root/x", "1").unwrap();
        let taken = small("name").create_detached().unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::SandboxAlreadyExists);
        let second = small("name").replace_with_timeout(Duration::ZERO).create_detached().unwrap();
        assert!(!second.fs().exists("/root/x").unwrap());
        second.kill().unwrap();
    });
}

#[test]
fn what_did_not_boot_says_why() {
    with_place(|_| match small("broken").init("/no/such/init").create() {
        Err(MicrosandboxError::BootStart(e)) => {
            assert!(e.stage.is_some(), "{e:?}");
            assert!(!e.info.text().is_empty());
        }
        other => panic!("{other:?}"),
    });
}

#[test]
fn progress_and_the_sandbox_come_from_another_thread() {
    with_place(|_| {
        let (progress, task) = small("pulled").create_with_pull_progress().unwrap();
        let kinds: Vec<_> = progress.map(|e| e.kind()).collect();
        let sandbox = task.join().unwrap();
        assert_eq!(sandbox.name(), "pulled");
        assert!(kinds.iter().all(|k| *k != "other"), "{kinds:?}");
        let (progress, task) = small("pulled").create_with_pull_progress().unwrap();
        drop(progress);
        let taken = task.join().unwrap_err();
        assert_eq!(taken.kind(), ErrorKind::SandboxAlreadyExists);
    });
}

#[test]
fn volumes() {
    with_place(|_| {
        let made = Volume::builder("data").quota(8.mib()).label("a", "b").create().unwrap();
        assert_eq!((made.name(), made.quota()), ("data", Some(8.mib())));
        assert_eq!(made.labels(), [("a".to_string(), "b".to_string())]);
        let again = Volume::builder("data").create().unwrap_err();
        assert_eq!(again.kind(), ErrorKind::VolumeAlreadyExists);
        let fs = made.fs().unwrap();
        fs.write("from-host", "1").unwrap();
        assert!(fs.write("../escaped", "x").is_err());
        let sandbox = small("user").volume("/data", |m| m.named("data")).create().unwrap();
        assert_eq!(sandbox.fs().read_to_string("/data/from-host").unwrap(), "1");
        sandbox.shell("echo 2 >/data/from-guest").unwrap();
        assert_eq!(Volume::get("data").unwrap().fs().unwrap().read("from-guest").unwrap(), b"2\n");
        let used = Volume::remove("data").unwrap_err();
        assert_eq!(used.kind(), ErrorKind::VolumeInUse);
        assert_eq!(Volume::list().unwrap().len(), 1);
        sandbox.stop().unwrap();
        sandbox.remove_persisted().unwrap();
        assert_eq!(Volume::prune().unwrap(), ["data"]);
        assert_eq!(Volume::get("data").unwrap_err().kind(), ErrorKind::VolumeNotFound);
    });
}

#[test]
fn images_and_snapshots() {
    with_place(|place| {
        let image = Image::get("busybox").unwrap();
        assert!(image.layer_count() > 0 && image.size_bytes().is_some());
        assert_eq!(Image::inspect("busybox").unwrap().layers.len(), image.layer_count());
        assert_eq!(Image::get("none").unwrap_err().kind(), ErrorKind::ImageNotFound);
        let archive = place.path("busybox.tar");
        Image::save(["busybox"], &archive, ArchiveFormat::Oci, &PullOptions::new()).unwrap();

        let sandbox = small("source").create().unwrap();
        sandbox.fs().write("/root/kept", "kept").unwrap();
        let running = Snapshot::builder("source").name("early").create().unwrap_err();
        assert_eq!(running.kind(), ErrorKind::SnapshotSandboxRunning);
        sandbox.stop().unwrap();
        let taken = Snapshot::builder("source")
            .name("base")
            .label("a", "b")
            .record_integrity()
            .create()
            .unwrap();
        assert_eq!((taken.name(), taken.source_sandbox()), (Some("base"), Some("source")));
        assert!(matches!(taken.verify().unwrap(), SnapshotVerifyReport::Verified { .. }));
        let again = Sandbox::get("source").unwrap().snapshot("base").unwrap_err();
        assert_eq!(again.kind(), ErrorKind::SnapshotAlreadyExists);
        let file = place.path("base.tar.zst");
        Snapshot::export("base", &file, ExportOptions::default()).unwrap();
        Snapshot::remove("base", false).unwrap();
        assert_eq!(Snapshot::get("base").unwrap_err().kind(), ErrorKind::SnapshotNotFound);
        let back = Snapshot::import(&file, Some("again".as_ref())).unwrap();
        assert_eq!(back.digest(), taken.digest());
        assert_eq!(Snapshot::list().unwrap().len(), 1);

        let engine = std::env::var("MSB_TEST_ENGINE").unwrap_or_else(|_| "uml".into());
        let copy = Sandbox::builder("copy").from_snapshot("again").memory(128).engine(engine);
        let copy = copy.create().unwrap();
        assert_eq!(copy.fs().read_to_string("/root/kept").unwrap(), "kept");
        let used = Image::remove("busybox", false).unwrap_err();
        assert_eq!(used.kind(), ErrorKind::ImageInUse);
    });
}

#[test]
fn what_they_use() {
    with_place(|_| {
        let interval = Duration::from_millis(100);
        let sandbox = small("busy").metrics_sample_interval(interval).create().unwrap();
        wait_for("a sample", || sandbox.metrics().is_ok());
        let samples: Vec<_> =
            sandbox.metrics_stream(interval).take(3).collect::<MicrosandboxResult<_>>().unwrap();
        assert!(samples[2].uptime >= samples[0].uptime);
        assert!(samples[0].memory_bytes > 0 && samples[0].interval == interval);
        let all = all_sandbox_metrics().unwrap();
        assert_eq!(all["busy"].name, "busy");
        assert!(all["busy"].uptime > Duration::ZERO);
        let token = CancelToken::new().unwrap();
        token.cancel();
        let mut stream = sandbox.metrics_stream(Duration::from_secs(1000));
        stream.recv().unwrap();
        let ended = token.run(|| stream.recv()).unwrap_err();
        assert_eq!(ended.kind(), ErrorKind::Cancelled);
        let silent = small("silent").disable_metrics_sample().create().unwrap();
        assert_eq!(silent.metrics().unwrap_err().kind(), ErrorKind::MetricsDisabled);
    });
}

#[test]
fn the_library_itself() {
    assert_eq!(version(), env!("CARGO_PKG_VERSION"));
    assert_eq!(abi_version(), sys::MSB_ABI_VERSION);
    assert!(feature_supported("exec") && !feature_supported("no\0such"));
    let mut names: Vec<_> = ErrorKind::ALL.iter().map(|k| k.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ErrorKind::ALL.len());
    with_place(|place| {
        assert!(place.home.path().starts_with(place.dir()));
        assert!(!doctor().unwrap().is_empty());
    });
}

#[test]
fn what_threads_may_share() {
    fn shared<T: Send + Sync>() {}
    fn sent<T: Send>() {}
    shared::<Sandbox>();
    shared::<SandboxHandle>();
    shared::<SandboxFs>();
    shared::<AgentClient>();
    shared::<Volume>();
    shared::<Snapshot>();
    shared::<Home>();
    shared::<ExecControl>();
    shared::<ExecSink>();
    shared::<CancelToken>();
    shared::<MicrosandboxError>();
    sent::<ExecHandle>();
    sent::<LogStream>();
    sent::<AgentStream>();
    sent::<agent::MessageStream>();
    sent::<MetricsStream>();
    sent::<FsFile>();
    sent::<PullProgress>();
    sent::<CreateTask>();
}
