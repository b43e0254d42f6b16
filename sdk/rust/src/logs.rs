// SPDX-License-Identifier: Apache-2.0
//! What sandboxes have logged.

use crate::error::MicrosandboxResult;
use crate::ffi;
use crate::home::Home;
use crate::json::Value;
use crate::options::named;
use crate::sandbox::Sandbox;
use crate::sys;
use std::borrow::Cow;
use std::path::PathBuf;
use std::ptr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

named! {
    /// Where an entry comes from.
    LogSource {
        /// Standard output of commands.
        Stdout = "stdout",
        /// Standard error of commands.
        Stderr = "stderr",
        /// Terminals.
        Output = "output",
        /// Markers, the runtime's own log, the console.
        System = "system",
    }
}

impl LogSource {
    /// All of them.
    pub const ALL: [LogSource; 4] =
        [LogSource::Stdout, LogSource::Stderr, LogSource::Output, LogSource::System];

    fn bit(self) -> u32 {
        match self {
            LogSource::Stdout => sys::MSB_LOG_STDOUT,
            LogSource::Stderr => sys::MSB_LOG_STDERR,
            LogSource::Output => sys::MSB_LOG_OUTPUT,
            LogSource::System => sys::MSB_LOG_SYSTEM,
        }
    }

    fn from_bit(bit: u32) -> Self {
        Self::ALL.into_iter().find(|s| s.bit() == bit).unwrap_or(LogSource::System)
    }
}

/// One entry of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// When it was written down.
    pub timestamp: SystemTime,
    /// Where it comes from.
    pub source: LogSource,
    /// Which command of one boot, counted from 1.
    pub session: Option<u64>,
    /// What was written; any bytes.
    pub data: Vec<u8>,
    /// The place behind it, to go on from later.
    pub cursor: String,
}

impl LogEntry {
    /// What was written; bytes that are not UTF-8 are replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.data)
    }
}

/// Which entries are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// The last so many.
    pub tail: Option<u64>,
    /// Of this time and later.
    pub since: Option<SystemTime>,
    /// Before this time.
    pub until: Option<SystemTime>,
    /// From here; empty: all but `System`.
    pub sources: Vec<LogSource>,
    /// Only those that have one of these texts in them, if there are any.
    pub contains: Vec<Vec<u8>>,
}

/// Where a stream begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogStreamStart {
    /// With the oldest entry.
    Beginning,
    /// With this time.
    Since(SystemTime),
    /// Behind the entry that had this cursor.
    From(String),
}

impl Default for LogStreamStart {
    fn default() -> Self {
        LogStreamStart::Beginning
    }
}

/// Which entries are streamed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogStreamOptions {
    /// From here; empty: all but `System`.
    pub sources: Vec<LogSource>,
    /// Where to begin.
    pub start: LogStreamStart,
    /// Before this time.
    pub until: Option<SystemTime>,
    /// Wait for more, until the sandbox has ended.
    pub follow: bool,
    /// Only those that have one of these texts in them, if there are any.
    pub contains: Vec<Vec<u8>>,
}

/// Entries, and the place behind the last of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSnapshot {
    /// In the order of time.
    pub entries: Vec<LogEntry>,
    /// To go on from, if there was any entry.
    pub cursor: Option<String>,
}

/// What a sandbox has logged. It may run, be stopped, or have crashed.
pub fn read_logs(name: impl AsRef<str>, options: &LogOptions) -> MicrosandboxResult<Vec<LogEntry>> {
    Ok(read_logs_snapshot(name, options)?.entries)
}

/// The same, with the place to go on from.
pub fn read_logs_snapshot(
    name: impl AsRef<str>,
    options: &LogOptions,
) -> MicrosandboxResult<LogSnapshot> {
    snapshot(&Home::current()?, name.as_ref(), options)
}

/// The same as a stream.
pub fn log_stream(
    name: impl AsRef<str>,
    options: &LogStreamOptions,
) -> MicrosandboxResult<LogStream> {
    LogStream::open(&Home::current()?, name.as_ref(), options)
}

/// Directory of a sandbox's logs.
pub fn log_dir_for(name: impl AsRef<str>) -> MicrosandboxResult<PathBuf> {
    Ok(Sandbox::get(name)?.log_dir().to_path_buf())
}

pub(crate) fn snapshot(
    home: &Home,
    name: &str,
    options: &LogOptions,
) -> MicrosandboxResult<LogSnapshot> {
    let query = Query {
        sources: &options.sources,
        since: options.since,
        until: options.until,
        tail: options.tail,
        cursor: None,
        contains: &options.contains,
        follow: false,
    };
    let entries: Vec<_> = query.open(home, name)?.collect::<MicrosandboxResult<_>>()?;
    let cursor = entries.last().map(|e: &LogEntry| e.cursor.clone());
    Ok(LogSnapshot { entries, cursor })
}

struct Query<'a> {
    sources: &'a [LogSource],
    since: Option<SystemTime>,
    until: Option<SystemTime>,
    tail: Option<u64>,
    cursor: Option<&'a str>,
    contains: &'a [Vec<u8>],
    follow: bool,
}

fn nanos(t: Option<SystemTime>) -> i64 {
    let t = match t {
        Some(t) => t,
        None => return 0,
    };
    match t.duration_since(UNIX_EPOCH) {
        Ok(d) => i64::try_from(d.as_nanos()).unwrap_or(i64::MAX),
        Err(e) => i64::try_from(e.duration().as_nanos()).map_or(i64::MIN, |n| -n),
    }
}

impl Query<'_> {
    fn open(&self, home: &Home, name: &str) -> MicrosandboxResult<LogStream> {
        let name = ffi::cstring(name)?;
        let cursor = self.cursor.map(ffi::cstring).transpose()?;
        let contains: Vec<_> = self
            .contains
            .iter()
            .map(|t| sys::msb_log_text_t { data: t.as_ptr().cast(), len: t.len() })
            .collect();
        let options = sys::msb_log_options_t {
            struct_size: std::mem::size_of::<sys::msb_log_options_t>(),
            sources: self.sources.iter().fold(0, |bits, s| bits | s.bit()),
            has_since: self.since.is_some(),
            has_until: self.until.is_some(),
            has_tail: self.tail.is_some(),
            since_unix_ns: nanos(self.since),
            until_unix_ns: nanos(self.until),
            tail: self.tail.unwrap_or(0),
            cursor: ffi::opt_ptr(&cursor),
            contains: contains.as_ptr(),
            contains_count: contains.len(),
            follow: self.follow,
        };
        // SAFETY: all are alive; the options are copied.
        let ptr = ffi::make(|ret, e| unsafe {
            sys::msb_log_open(home.ptr(), name.as_ptr(), &options, ret, e)
        })?;
        Ok(LogStream { ptr, _home: home.clone(), ended: false })
    }
}

/// Entries of a log, one after the other. An error is the last item: when it
/// is [`MissedRotation`](crate::MicrosandboxError::MissedRotation), the reader
/// was too slow, and entries are gone.
///
/// ```no_run
/// use microsandbox::LogStreamOptions;
/// # fn main() -> microsandbox::MicrosandboxResult<()> {
/// # let sandbox = microsandbox::Sandbox::get("box")?;
/// let options = LogStreamOptions { follow: true, ..Default::default() };
/// for entry in sandbox.log_stream(&options)? {
///     let entry = entry?;
///     println!("{:?} {} {}", entry.timestamp, entry.source, entry.text());
/// }
/// # Ok(())
/// # }
/// ```
pub struct LogStream {
    ptr: *mut sys::msb_log_t,
    _home: Home,
    ended: bool,
}

// SAFETY: not bound to a thread; used by one at a time, as all needs &mut.
unsafe impl Send for LogStream {}

impl Drop for LogStream {
    fn drop(&mut self) {
        // SAFETY: nobody else has it.
        unsafe { sys::msb_log_free(self.ptr) }
    }
}

impl LogStream {
    pub(crate) fn open(
        home: &Home,
        name: &str,
        options: &LogStreamOptions,
    ) -> MicrosandboxResult<Self> {
        let (since, cursor) = match &options.start {
            LogStreamStart::Beginning => (None, None),
            LogStreamStart::Since(t) => (Some(*t), None),
            LogStreamStart::From(cursor) => (None, Some(cursor.as_str())),
        };
        Query {
            sources: &options.sources,
            since,
            until: options.until,
            tail: None,
            cursor,
            contains: &options.contains,
            follow: options.follow,
        }
        .open(home, name)
    }

    /// Wait for the next entry; `None` at the end.
    pub fn recv(&mut self) -> MicrosandboxResult<Option<LogEntry>> {
        loop {
            let entry = self.read(-1)?;
            if entry.is_some() || self.ended {
                return Ok(entry);
            }
        }
    }

    /// The same for so long; `None` when there was nothing, too.
    pub fn recv_timeout(&mut self, timeout: Duration) -> MicrosandboxResult<Option<LogEntry>> {
        self.read(ffi::millis_int(timeout))
    }

    /// Will nothing follow, whoever waits?
    pub fn ended(&self) -> bool {
        self.ended
    }

    fn read(&mut self, timeout_ms: i32) -> MicrosandboxResult<Option<LogEntry>> {
        if self.ended {
            return Ok(None);
        }
        let mut entry = sys::msb_log_entry_t {
            struct_size: std::mem::size_of::<sys::msb_log_entry_t>(),
            source: 0,
            time_unix_ns: 0,
            session: 0,
            data: ptr::null(),
            len: 0,
        };
        // SAFETY: alive, and nobody else reads.
        let found =
            ffi::call(|e| unsafe { sys::msb_log_next(self.ptr, timeout_ms, &mut entry, e) });
        match found {
            Err(e) => {
                self.ended = !matches!(e, crate::MicrosandboxError::Cancelled(_));
                Err(e)
            }
            Ok(0) => {
                // SAFETY: alive.
                self.ended = unsafe { sys::msb_log_ended(self.ptr) };
                Ok(None)
            }
            Ok(_) => {
                // SAFETY: alive; the text is freed, the data borrowed until the
                // next call.
                let (cursor, data) = unsafe {
                    let p =
                        ffi::make(|ret, e| sys::msb_log_cursor(self.ptr, ret as *mut *mut _, e))?;
                    (ffi::owned_text(p), ffi::bytes(entry.data, entry.len))
                };
                Ok(Some(LogEntry {
                    timestamp: time_ns(entry.time_unix_ns),
                    source: LogSource::from_bit(entry.source),
                    session: (entry.session != 0).then_some(entry.session),
                    data,
                    cursor: cursor.unwrap_or_default(),
                }))
            }
        }
    }

    /// Why the last boot failed, if it did (docs/json.md).
    pub fn boot_error(&self) -> MicrosandboxResult<Option<Value>> {
        // SAFETY: alive; the text is freed.
        let text = unsafe {
            let p = ffi::make(|ret, e| sys::msb_log_boot_error(self.ptr, ret as *mut *mut _, e))?;
            ffi::owned_text(p)
        };
        text.map(|t| Value::parse(&t)).transpose()
    }
}

fn time_ns(ns: i64) -> SystemTime {
    let d = Duration::from_nanos(ns.unsigned_abs());
    if ns < 0 {
        UNIX_EPOCH - d
    } else {
        UNIX_EPOCH + d
    }
}

impl Iterator for LogStream {
    type Item = MicrosandboxResult<LogEntry>;

    fn next(&mut self) -> Option<Self::Item> {
        self.recv().transpose()
    }
}

impl std::fmt::Debug for LogStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogStream").field("ended", &self.ended).finish()
    }
}
