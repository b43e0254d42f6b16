// SPDX-License-Identifier: Apache-2.0
//! What the catalogue knows of a sandbox.

use super::{Ownership, Raw, Sandbox, StopResult, DEFAULT_CONNECT_TIMEOUT, DEFAULT_STOP_TIMEOUT};
use crate::error::MicrosandboxResult;
use crate::ffi::{self, CStrings};
use crate::home::Home;
use crate::json::Value;
use crate::logs::{self, LogEntry, LogOptions, LogStream, LogStreamOptions};
use crate::metrics::Metrics;
use crate::options::named;
use crate::snapshot::Snapshot;
use crate::sys;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

named! {
    /// What becomes of a sandbox.
    SandboxStatus {
        /// It runs.
        Running = "running",
        /// It is being stopped.
        Draining = "draining",
        /// It runs, and does nothing.
        Paused = "paused",
        /// It does not run.
        Stopped = "stopped",
        /// Its process went without leaving word.
        Crashed = "crashed",
    }
}

impl SandboxStatus {
    pub(super) fn from_c(status: sys::msb_status_t) -> Self {
        match status {
            sys::MSB_STATUS_RUNNING => Self::Running,
            sys::MSB_STATUS_DRAINING => Self::Draining,
            sys::MSB_STATUS_PAUSED => Self::Paused,
            sys::MSB_STATUS_STOPPED => Self::Stopped,
            _ => Self::Crashed,
        }
    }
}

/// A sandbox as the catalogue knew it when it was asked. What this says does
/// not change by itself; [`refresh`](SandboxHandle::refresh) asks again.
#[derive(Clone)]
pub struct SandboxHandle {
    raw: Arc<Raw>,
    row: Arc<Row>,
}

struct Row {
    status: SandboxStatus,
    image: String,
    created: SystemTime,
    updated: SystemTime,
    ephemeral: bool,
    exit_reason: Option<String>,
    labels: Vec<(String, String)>,
    config_json: String,
    log_dir: PathBuf,
    agent_socket: PathBuf,
}

impl Row {
    /// Copies everything, so that nothing is borrowed from what other threads
    /// may change.
    ///
    /// # Safety
    /// `p` is alive, and nobody changes it meanwhile.
    unsafe fn read(p: *const sys::msb_sandbox_t) -> Self {
        Row {
            status: SandboxStatus::from_c(sys::msb_sandbox_status(p)),
            image: ffi::text(sys::msb_sandbox_image(p)),
            created: ffi::time_ms(sys::msb_sandbox_created_unix_ms(p)),
            updated: ffi::time_ms(sys::msb_sandbox_updated_unix_ms(p)),
            ephemeral: sys::msb_sandbox_is_ephemeral(p),
            exit_reason: ffi::opt_text(sys::msb_sandbox_exit_reason(p)),
            labels: ffi::pairs(|i| sys::msb_sandbox_label(p, i)),
            config_json: ffi::text(sys::msb_sandbox_config_json(p)),
            log_dir: ffi::text(sys::msb_sandbox_log_dir(p)).into(),
            agent_socket: ffi::text(sys::msb_sandbox_agent_socket(p)).into(),
        }
    }
}

impl SandboxHandle {
    pub(super) fn get(home: Home, name: &str) -> MicrosandboxResult<Self> {
        let name = ffi::cstring(name)?;
        // SAFETY: all are alive.
        let ptr =
            ffi::make(|ret, e| unsafe { sys::msb_sandbox_get(home.ptr(), name.as_ptr(), ret, e) })?;
        // SAFETY: nobody else has it yet.
        let row = Arc::new(unsafe { Row::read(ptr) });
        Ok(SandboxHandle { raw: Raw::new(home, ptr, Ownership::None), row })
    }

    pub(super) fn list<I>(home: Home, labels: I) -> MicrosandboxResult<Vec<Self>>
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        let labels = CStrings::new(labels)?;
        // SAFETY: all are alive; names are copied before the list is freed.
        let names = unsafe {
            let list = ffi::make(|ret, e| {
                sys::msb_sandbox_list_labelled(home.ptr(), labels.as_ptr(), labels.len(), ret, e)
            })?;
            ffi::collect_list(
                sys::msb_list_count(list),
                |i| ffi::text(sys::msb_sandbox_name(sys::msb_list_item(list, i))),
                || sys::msb_list_free(list),
            )
        };
        // Items of a list are borrowed and cannot be started or stopped, so
        // each becomes a handle of its own; what has gone meanwhile is left out.
        let mut all = Vec::new();
        for name in names {
            match Self::get(home.clone(), &name) {
                Ok(handle) => all.push(handle),
                Err(crate::MicrosandboxError::SandboxNotFound(_)) => {}
                Err(e) => return Err(e),
            }
        }
        Ok(all)
    }

    pub(super) fn raw(&self) -> &Arc<Raw> {
        &self.raw
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.raw.name
    }

    /// What became of it.
    pub fn status(&self) -> SandboxStatus {
        self.row.status
    }

    /// What it was made from: a reference as it was written, or a path.
    pub fn image(&self) -> &str {
        &self.row.image
    }

    /// When it was created.
    pub fn created_at(&self) -> SystemTime {
        self.row.created
    }

    /// When its state last changed.
    pub fn updated_at(&self) -> SystemTime {
        self.row.updated
    }

    /// Is it removed when its work ends?
    pub fn is_ephemeral(&self) -> bool {
        self.row.ephemeral
    }

    /// Why it last ended: `Completed`, `IdleTimeout`, ...
    pub fn exit_reason(&self) -> Option<&str> {
        self.row.exit_reason.as_deref()
    }

    /// Its labels.
    pub fn labels(&self) -> &[(String, String)] {
        &self.row.labels
    }

    /// Its stored configuration as text.
    pub fn config_json(&self) -> &str {
        &self.row.config_json
    }

    /// The same, read.
    pub fn config(&self) -> MicrosandboxResult<Value> {
        Value::parse(&self.row.config_json)
    }

    /// Directory of its logs.
    pub fn log_dir(&self) -> &Path {
        &self.row.log_dir
    }

    /// The socket of its agent, for [`AgentClient::connect`](crate::AgentClient::connect).
    pub fn agent_socket(&self) -> &Path {
        &self.row.agent_socket
    }

    /// Ask the catalogue again.
    pub fn refresh(&mut self) -> MicrosandboxResult<()> {
        *self = Self::get(self.raw.home.clone(), &self.raw.name)?;
        Ok(())
    }

    /// A copy of what this refers to that no other thread knows.
    fn fresh(&self) -> MicrosandboxResult<Self> {
        Self::get(self.raw.home.clone(), &self.raw.name)
    }

    /// Boot it. It stops again when what this gives is dropped.
    pub fn start(&self) -> MicrosandboxResult<Sandbox> {
        self.boot(true)
    }

    /// Boot it; it goes on running by itself.
    pub fn start_detached(&self) -> MicrosandboxResult<Sandbox> {
        self.boot(false)
    }

    fn boot(&self, attached: bool) -> MicrosandboxResult<Sandbox> {
        let raw = self.fresh()?.raw;
        // SAFETY: alive, and no other thread has it.
        ffi::call(|e| unsafe { sys::msb_sandbox_start(raw.ptr, attached, e) })?;
        raw.owner.store(attached, std::sync::atomic::Ordering::SeqCst);
        Ok(Sandbox { raw })
    }

    /// Use it while it runs, without owning it.
    pub fn connect(&self) -> MicrosandboxResult<Sandbox> {
        self.connect_with_timeout(DEFAULT_CONNECT_TIMEOUT)
    }

    /// The same with a time of one's own for its agent to answer.
    pub fn connect_with_timeout(&self, timeout: Duration) -> MicrosandboxResult<Sandbox> {
        let name = ffi::cstring(&self.raw.name)?;
        let home = self.raw.home.clone();
        // SAFETY: all are alive.
        let ptr = ffi::make(|ret, e| unsafe {
            sys::msb_sandbox_connect(home.ptr(), name.as_ptr(), ffi::millis(timeout), ret, e)
        })?;
        Ok(Sandbox::from_ptr(home, ptr, Ownership::None))
    }

    /// As [`Sandbox::stop`].
    pub fn stop(&self) -> MicrosandboxResult<StopResult> {
        self.stop_with_timeout(DEFAULT_STOP_TIMEOUT)
    }

    /// As [`Sandbox::stop_with_timeout`].
    pub fn stop_with_timeout(&self, timeout: Duration) -> MicrosandboxResult<StopResult> {
        self.fresh()?.raw.stop(timeout)
    }

    /// Kill it.
    pub fn kill(&self) -> MicrosandboxResult<()> {
        self.stop_with_timeout(Duration::ZERO).map(drop)
    }

    /// Ask the guest to shut down, and do not wait for it.
    pub fn request_stop(&self) -> MicrosandboxResult<()> {
        self.fresh()?.raw.request_stop()
    }

    /// Remove it with all it has. It must not run.
    pub fn remove(&self) -> MicrosandboxResult<()> {
        self.fresh()?.raw.remove()
    }

    /// Keep what it wrote, under a name. It must not run.
    pub fn snapshot(&self, name: impl AsRef<str>) -> MicrosandboxResult<Snapshot> {
        self.raw.home.run(|| Snapshot::builder(&self.raw.name).name(name).create())
    }

    /// The same, in a directory of its own.
    pub fn snapshot_to(&self, path: impl AsRef<Path>) -> MicrosandboxResult<Snapshot> {
        self.raw.home.run(|| Snapshot::builder(&self.raw.name).path(path).create())
    }

    /// As [`Sandbox::logs`]; it need not run.
    pub fn logs(&self, options: &LogOptions) -> MicrosandboxResult<Vec<LogEntry>> {
        Ok(logs::snapshot(&self.raw.home, &self.raw.name, options)?.entries)
    }

    /// Another name of [`logs`](Self::logs).
    pub fn read_logs(&self, options: &LogOptions) -> MicrosandboxResult<Vec<LogEntry>> {
        self.logs(options)
    }

    /// As [`Sandbox::log_stream`]; it need not run.
    pub fn log_stream(&self, options: &LogStreamOptions) -> MicrosandboxResult<LogStream> {
        LogStream::open(&self.raw.home, &self.raw.name, options)
    }

    /// As [`Sandbox::metrics`].
    pub fn metrics(&self) -> MicrosandboxResult<Metrics> {
        self.raw.metrics()
    }
}

impl std::fmt::Debug for SandboxHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SandboxHandle")
            .field("name", &self.raw.name)
            .field("status", &self.row.status)
            .finish()
    }
}
