// SPDX-License-Identifier: Apache-2.0
//! Sandboxes that run, and records of those that may not.

mod builder;
mod handle;
mod parts;

pub use builder::{CreateTask, LogLevel, PullProgress, SandboxBuilder, SandboxConfig};
pub use handle::{SandboxHandle, SandboxStatus};
pub use parts::{ImageBuilder, InitBuilder, RegistryBuilder};

use crate::agent::AgentClient;
use crate::error::MicrosandboxResult;
use crate::exec::{ExecHandle, ExecOptionsBuilder, ExecOutput};
use crate::ffi;
use crate::fs::{FsConnection, SandboxFs};
use crate::home::Home;
use crate::json::Value;
use crate::logs::{self, LogEntry, LogOptions, LogStream, LogStreamOptions};
use crate::metrics::{self, Metrics, MetricsStream};
use crate::sys;
use std::ffi::OsStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long [`SandboxHandle::connect`] waits for the guest's agent.
pub const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long [`Sandbox::stop`] waits before it kills.
pub const DEFAULT_STOP_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a sandbox that is replaced has to stop.
pub const DEFAULT_REPLACE_TIMEOUT: Duration = Duration::from_secs(10);

/// How a sandbox came to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StopResult {
    /// It did not run.
    NotRunning,
    /// The guest wrote everything and powered off.
    Graceful,
    /// It was killed: what was not written yet may be lost.
    Forced,
}

/// How a sandbox ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxExit {
    /// Stopped, or crashed.
    pub status: SandboxStatus,
    /// `Completed`, `IdleTimeout`, ...
    pub reason: Option<String>,
    /// Of its startup command; `None`: there was none.
    pub exit_code: Option<i32>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ownership {
    /// The machine stops when the last reference goes.
    Owner,
    None,
}

/// The library's object, with what keeps it alive.
pub(crate) struct Raw {
    ptr: *mut sys::msb_sandbox_t,
    home: Home,
    name: String,
    owner: AtomicBool,
    /// A connection for files, once one was needed.
    fs: Mutex<Option<FsConnection>>,
}

// SAFETY: a handle may be used by several threads, but for text borrowed from
// it: of that, only what never changes is read, once, at the beginning.
unsafe impl Send for Raw {}
unsafe impl Sync for Raw {}

impl Drop for Raw {
    fn drop(&mut self) {
        *self.fs.get_mut().unwrap_or_else(|e| e.into_inner()) = None;
        // SAFETY: the last reference.
        unsafe { sys::msb_sandbox_free(self.ptr) }
    }
}

impl Raw {
    fn new(home: Home, ptr: *mut sys::msb_sandbox_t, ownership: Ownership) -> Arc<Self> {
        // SAFETY: alive, borrowed from it and copied.
        let name = unsafe { ffi::text(sys::msb_sandbox_name(ptr)) };
        let owner = AtomicBool::new(ownership == Ownership::Owner);
        Arc::new(Raw { ptr, home, name, owner, fs: Mutex::new(None) })
    }

    /// The connection, good as long as self is.
    pub(crate) fn fs(&self) -> MicrosandboxResult<*mut sys::msb_fs_t> {
        let mut fs = self.fs.lock().unwrap_or_else(|e| e.into_inner());
        if fs.is_none() {
            // SAFETY: alive.
            let ptr = ffi::make(|ret, e| unsafe { sys::msb_fs_connect(self.ptr, ret, e) })?;
            *fs = Some(FsConnection(ptr));
        }
        Ok(fs.as_ref().map_or(std::ptr::null_mut(), |c| c.0))
    }

    fn stop(&self, timeout: Duration) -> MicrosandboxResult<StopResult> {
        let mut result = sys::MSB_STOP_NOT_RUNNING;
        // SAFETY: alive.
        ffi::call(|e| unsafe {
            sys::msb_sandbox_stop(self.ptr, ffi::millis(timeout), &mut result, e)
        })?;
        Ok(match result {
            sys::MSB_STOP_NOT_RUNNING => StopResult::NotRunning,
            sys::MSB_STOP_GRACEFUL => StopResult::Graceful,
            _ => StopResult::Forced,
        })
    }

    fn request_stop(&self) -> MicrosandboxResult<()> {
        // SAFETY: alive.
        ffi::call(|e| unsafe { sys::msb_sandbox_request_stop(self.ptr, e) }).map(drop)
    }

    fn remove(&self) -> MicrosandboxResult<()> {
        // SAFETY: alive.
        ffi::call(|e| unsafe { sys::msb_sandbox_remove(self.ptr, false, e) }).map(drop)
    }

    fn metrics(&self) -> MicrosandboxResult<Metrics> {
        metrics::of(self.ptr)
    }
}

/// A sandbox that runs. Copies refer to the same one, and every thread may use
/// it.
///
/// One that was created or started by this process, and not detached, stops
/// when the last copy, and the last of what was made from it, is dropped.
#[derive(Clone)]
pub struct Sandbox {
    raw: Arc<Raw>,
}

impl Sandbox {
    fn from_ptr(home: Home, ptr: *mut sys::msb_sandbox_t, ownership: Ownership) -> Self {
        Sandbox { raw: Raw::new(home, ptr, ownership) }
    }

    pub(crate) fn ptr(&self) -> *mut sys::msb_sandbox_t {
        self.raw.ptr
    }

    pub(crate) fn raw(&self) -> &Arc<Raw> {
        &self.raw
    }

    /// Describe one that is to be created.
    pub fn builder(name: impl AsRef<str>) -> SandboxBuilder {
        SandboxBuilder::new(name.as_ref())
    }

    /// Create what has been described; as [`SandboxBuilder::create`].
    pub fn create(config: &SandboxConfig) -> MicrosandboxResult<Sandbox> {
        builder::create(config, &Home::current()?, true, None)
    }

    /// The same as [`SandboxBuilder::create_detached`].
    pub fn create_detached(config: &SandboxConfig) -> MicrosandboxResult<Sandbox> {
        builder::create(config, &Home::current()?, false, None)
    }

    /// Boot one that is stopped. It stops again when what this gives is
    /// dropped.
    pub fn start(name: impl AsRef<str>) -> MicrosandboxResult<Sandbox> {
        Sandbox::get(name)?.start()
    }

    /// The same, but it goes on running by itself.
    pub fn start_detached(name: impl AsRef<str>) -> MicrosandboxResult<Sandbox> {
        Sandbox::get(name)?.start_detached()
    }

    /// What is known of one.
    pub fn get(name: impl AsRef<str>) -> MicrosandboxResult<SandboxHandle> {
        SandboxHandle::get(Home::current()?, name.as_ref())
    }

    /// Of all of them, newest first.
    pub fn list() -> MicrosandboxResult<Vec<SandboxHandle>> {
        SandboxHandle::list::<[&str; 0]>(Home::current()?, [])
    }

    /// Of those with all of these labels: `KEY`, or `KEY=VALUE`.
    pub fn list_labelled<I>(labels: I) -> MicrosandboxResult<Vec<SandboxHandle>>
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        SandboxHandle::list(Home::current()?, labels)
    }

    /// Remove one that does not run, with all it has.
    pub fn remove(name: impl AsRef<str>) -> MicrosandboxResult<()> {
        Sandbox::get(name)?.remove()
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.raw.name
    }

    /// Its stored configuration, as docs/json.md describes it.
    pub fn config(&self) -> MicrosandboxResult<Value> {
        Value::parse(self.handle()?.config_json())
    }

    /// Engine, processor and jail of the running machine (docs/json.md).
    pub fn machine(&self) -> MicrosandboxResult<Option<Value>> {
        let handle = self.handle()?;
        // SAFETY: a handle of its own, so nobody changes what this borrows.
        let text = unsafe { ffi::opt_text(sys::msb_sandbox_machine_json(handle.raw().ptr)) };
        text.map(|t| Value::parse(&t)).transpose()
    }

    /// Its addresses, ports and policy as they apply to it (docs/json.md).
    pub fn network_info(&self) -> MicrosandboxResult<Value> {
        let handle = self.handle()?;
        // SAFETY: alive; the text is freed.
        let text = unsafe {
            let p = ffi::make(|ret, e| {
                sys::msb_sandbox_network_json(handle.raw().ptr, ret as *mut *mut _, e)
            })?;
            ffi::owned_text(p).unwrap_or_default()
        };
        Value::parse(&text)
    }

    /// What the catalogue says of it now.
    pub fn handle(&self) -> MicrosandboxResult<SandboxHandle> {
        SandboxHandle::get(self.raw.home.clone(), &self.raw.name)
    }

    /// Does it stop when this, and all copies, are dropped?
    pub fn owns_lifecycle(&self) -> bool {
        self.raw.owner.load(Ordering::SeqCst)
    }

    /// Stop it, and wait for that; after [`DEFAULT_STOP_TIMEOUT`] it is killed.
    pub fn stop(&self) -> MicrosandboxResult<StopResult> {
        self.stop_with_timeout(DEFAULT_STOP_TIMEOUT)
    }

    /// The same with a time of one's own; 0 kills at once. That the time is
    /// over is no error.
    pub fn stop_with_timeout(&self, timeout: Duration) -> MicrosandboxResult<StopResult> {
        self.raw.stop(timeout)
    }

    /// Stop it, and say how it ended.
    pub fn stop_and_wait(&self) -> MicrosandboxResult<SandboxExit> {
        self.stop()?;
        self.wait()
    }

    /// Kill it.
    pub fn kill(&self) -> MicrosandboxResult<()> {
        self.raw.stop(Duration::ZERO).map(drop)
    }

    /// Ask the guest to shut down, and do not wait for it.
    pub fn request_stop(&self) -> MicrosandboxResult<()> {
        self.raw.request_stop()
    }

    /// Wait until it has ended, whoever started it.
    pub fn wait(&self) -> MicrosandboxResult<SandboxExit> {
        loop {
            if let Some(exit) = self.wait_ms(-1)? {
                return Ok(exit);
            }
        }
    }

    /// The same for so long; `None`: it still runs.
    pub fn wait_timeout(&self, timeout: Duration) -> MicrosandboxResult<Option<SandboxExit>> {
        self.wait_ms(i64::try_from(ffi::millis(timeout)).unwrap_or(i64::MAX))
    }

    fn wait_ms(&self, timeout_ms: i64) -> MicrosandboxResult<Option<SandboxExit>> {
        let mut exit = sys::msb_exit_t {
            struct_size: std::mem::size_of::<sys::msb_exit_t>(),
            status: sys::MSB_STATUS_STOPPED,
            reason: std::ptr::null(),
            exit_code: -1,
        };
        // SAFETY: all are alive.
        let ended = ffi::call(|e| unsafe {
            sys::msb_sandbox_wait(self.raw.ptr, timeout_ms, &mut exit, e)
        })?;
        if ended != 1 {
            return Ok(None);
        }
        // The reason in there is borrowed from what other threads use, too: the
        // catalogue has it as well, unless the sandbox has removed itself.
        let reason = self.handle().ok().and_then(|h| h.exit_reason().map(str::to_string));
        Ok(Some(SandboxExit {
            status: SandboxStatus::from_c(exit.status),
            reason,
            exit_code: (exit.exit_code != -1).then_some(exit.exit_code),
        }))
    }

    /// Let it go on running without this process.
    pub fn detach(self) -> MicrosandboxResult<()> {
        // SAFETY: alive.
        ffi::call(|e| unsafe { sys::msb_sandbox_release(self.raw.ptr, e) })?;
        self.raw.owner.store(false, Ordering::SeqCst);
        Ok(())
    }

    /// Remove it, after it has stopped.
    pub fn remove_persisted(self) -> MicrosandboxResult<()> {
        self.raw.remove()
    }

    /// How long its agent takes to answer. This does not keep it from being
    /// idle.
    pub fn ping(&self, timeout: Duration) -> MicrosandboxResult<Duration> {
        let mut us = 0;
        // SAFETY: alive.
        ffi::call(|e| unsafe {
            sys::msb_sandbox_ping(self.raw.ptr, ffi::millis(timeout), &mut us, e)
        })?;
        Ok(Duration::from_micros(us))
    }

    /// The same, and the time to its idle limit begins anew.
    pub fn touch(&self, timeout: Duration) -> MicrosandboxResult<()> {
        // SAFETY: alive.
        ffi::call(|e| unsafe { sys::msb_sandbox_touch(self.raw.ptr, ffi::millis(timeout), e) })
            .map(drop)
    }

    /// Run a program to its end. That it fails is no error; that it cannot be
    /// started is.
    ///
    /// ```no_run
    /// # fn main() -> microsandbox::MicrosandboxResult<()> {
    /// # let sandbox = microsandbox::Sandbox::get("box")?.connect()?;
    /// let output = sandbox.exec("echo", ["hello"])?;
    /// assert_eq!(output.stdout()?, "hello\n");
    /// # Ok(())
    /// # }
    /// ```
    pub fn exec<I>(&self, program: impl AsRef<OsStr>, args: I) -> MicrosandboxResult<ExecOutput>
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        ExecOptionsBuilder::command(program).args(args).run(self)
    }

    /// The same with options.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # fn main() -> microsandbox::MicrosandboxResult<()> {
    /// # let sandbox = microsandbox::Sandbox::get("box")?.connect()?;
    /// let output = sandbox.exec_with("python3", |e| {
    ///     e.arg("compute.py").cwd("/app").env("DEBUG", "1").timeout(Duration::from_secs(30))
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn exec_with(
        &self,
        program: impl AsRef<OsStr>,
        f: impl FnOnce(ExecOptionsBuilder) -> ExecOptionsBuilder,
    ) -> MicrosandboxResult<ExecOutput> {
        f(ExecOptionsBuilder::command(program)).run(self)
    }

    /// Start a program, and see what it does as it does it.
    pub fn exec_stream<I>(
        &self,
        program: impl AsRef<OsStr>,
        args: I,
    ) -> MicrosandboxResult<ExecHandle>
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        ExecOptionsBuilder::command(program).args(args).start(self)
    }

    /// The same with options.
    pub fn exec_stream_with(
        &self,
        program: impl AsRef<OsStr>,
        f: impl FnOnce(ExecOptionsBuilder) -> ExecOptionsBuilder,
    ) -> MicrosandboxResult<ExecHandle> {
        f(ExecOptionsBuilder::command(program)).start(self)
    }

    /// Run a script with the sandbox's shell.
    pub fn shell(&self, script: impl AsRef<OsStr>) -> MicrosandboxResult<ExecOutput> {
        ExecOptionsBuilder::script(script).run(self)
    }

    /// The same with options.
    pub fn shell_with(
        &self,
        script: impl AsRef<OsStr>,
        f: impl FnOnce(ExecOptionsBuilder) -> ExecOptionsBuilder,
    ) -> MicrosandboxResult<ExecOutput> {
        f(ExecOptionsBuilder::script(script)).run(self)
    }

    /// Start a script, and see what it does as it does it.
    pub fn shell_stream(&self, script: impl AsRef<OsStr>) -> MicrosandboxResult<ExecHandle> {
        ExecOptionsBuilder::script(script).start(self)
    }

    /// The same with options.
    pub fn shell_stream_with(
        &self,
        script: impl AsRef<OsStr>,
        f: impl FnOnce(ExecOptionsBuilder) -> ExecOptionsBuilder,
    ) -> MicrosandboxResult<ExecHandle> {
        f(ExecOptionsBuilder::script(script)).start(self)
    }

    /// Come back to the command that was detached last.
    pub fn reattach(&self) -> MicrosandboxResult<ExecHandle> {
        ExecHandle::attach(self)
    }

    /// Its files. Connects when it is first used.
    pub fn fs(&self) -> SandboxFs {
        SandboxFs::of_sandbox(self.clone())
    }

    /// What it has logged, in the order of time.
    pub fn logs(&self, options: &LogOptions) -> MicrosandboxResult<Vec<LogEntry>> {
        Ok(logs::snapshot(&self.raw.home, &self.raw.name, options)?.entries)
    }

    /// Another name of [`logs`](Self::logs).
    pub fn read_logs(&self, options: &LogOptions) -> MicrosandboxResult<Vec<LogEntry>> {
        self.logs(options)
    }

    /// What it has logged, and (when following) what it logs from now on.
    pub fn log_stream(&self, options: &LogStreamOptions) -> MicrosandboxResult<LogStream> {
        LogStream::open(&self.raw.home, &self.raw.name, options)
    }

    /// What it uses.
    pub fn metrics(&self) -> MicrosandboxResult<Metrics> {
        self.raw.metrics()
    }

    /// The same again and again. It never ends by itself.
    pub fn metrics_stream(&self, interval: Duration) -> MetricsStream {
        MetricsStream::new(self.clone(), interval)
    }

    /// A client of its agent.
    pub fn agent_client(&self) -> MicrosandboxResult<AgentClient> {
        AgentClient::connect_in(&self.raw.home, &self.raw.name, DEFAULT_CONNECT_TIMEOUT)
    }
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox")
            .field("name", &self.raw.name)
            .field("owns_lifecycle", &self.owns_lifecycle())
            .finish()
    }
}
