// SPDX-License-Identifier: Apache-2.0
//! A home of its own for each test, on the engine that works everywhere.

use microsandbox::{Home, Image, PullOptions, Sandbox, SandboxBuilder, SizeExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Used by all that the test's thread calls.
pub struct Place {
    pub home: Home,
    dir: PathBuf,
}

static COUNT: AtomicU32 = AtomicU32::new(0);

/// Run a test with a home of its own, which is removed afterwards.
pub fn with_place(f: impl FnOnce(&Place)) {
    let number = COUNT.fetch_add(1, Ordering::SeqCst);
    let name = format!("msb-test-rust-{}-{number}", std::process::id());
    let dir = std::env::temp_dir().join(name);
    let home = Home::open(dir.join("home")).unwrap();
    let place = Place { home: home.clone(), dir };
    home.run(|| {
        Image::pull("busybox", &PullOptions::new()).unwrap();
        f(&place);
    });
}

#[allow(dead_code)]
impl Place {
    /// A path that nothing else uses.
    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.home.run(|| -> Result<(), microsandbox::MicrosandboxError> {
            for sandbox in Sandbox::list()? {
                sandbox.kill()?;
                let _ = sandbox.remove();
            }
            Ok(())
        });
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A small sandbox.
#[allow(dead_code)]
pub fn small(name: &str) -> SandboxBuilder {
    let engine = std::env::var("MSB_TEST_ENGINE").unwrap_or_else(|_| "uml".into());
    Sandbox::builder(name).image("busybox").memory(128.mib()).engine(engine)
}

/// Poll until it is so.
#[allow(dead_code)]
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < end, "gave up waiting for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
