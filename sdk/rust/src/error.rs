// SPDX-License-Identifier: Apache-2.0
//! What can go wrong: one variant for each kind the library knows.

use crate::ffi;
use crate::sys;
use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::time::Duration;

/// What nearly every function of this crate gives.
pub type MicrosandboxResult<T> = Result<T, MicrosandboxError>;

/// What is known of every failure.
#[derive(Clone, PartialEq, Eq)]
pub struct ErrorInfo(Box<Inner>);

#[derive(Clone, PartialEq, Eq)]
struct Inner {
    message: String,
    text: String,
    errno: i32,
    details: BTreeMap<String, String>,
}

impl ErrorInfo {
    pub(crate) fn new(message: impl Into<String>, errno: i32) -> Self {
        let message = message.into();
        ErrorInfo(Box::new(Inner {
            text: message.clone(),
            message,
            errno,
            details: BTreeMap::new(),
        }))
    }

    /// One line without its category: of an unknown sandbox just its name.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The line with its category, as `msb` prints it after "error: ".
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// Number of the operating system, if one applies.
    pub fn errno(&self) -> Option<i32> {
        (self.0.errno != 0).then_some(self.0.errno)
    }

    /// Further facts, by name; which there are depends on the kind.
    pub fn details(&self) -> &BTreeMap<String, String> {
        &self.0.details
    }

    /// One of them.
    pub fn detail(&self, key: &str) -> Option<&str> {
        self.0.details.get(key).map(String::as_str)
    }
}

impl fmt::Debug for ErrorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ErrorInfo")
            .field("text", &self.0.text)
            .field("errno", &self.0.errno)
            .field("details", &self.0.details)
            .finish()
    }
}

/// A sandbox that did not come up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BootError {
    /// Which one.
    pub sandbox: Option<String>,
    /// How far it came: `mount`, `build_vm`, `config`, `network`, `image` or
    /// `other`.
    pub stage: Option<String>,
    /// Last lines of the guest's kernel, when it died.
    pub kernel_log: Option<String>,
    /// Message and the rest.
    pub info: ErrorInfo,
}

/// A program that was never started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecFailure {
    /// Why.
    pub kind: ExecFailureKind,
    /// The program.
    pub command: Option<String>,
    /// Number of the guest's error, if there was one.
    pub errno: Option<i32>,
    /// Its name: `ENOENT`, ...
    pub errno_name: Option<String>,
    /// What the guest was doing.
    pub stage: Option<String>,
    /// Message and the rest.
    pub info: ErrorInfo,
}

/// Why a program was not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ExecFailureKind {
    /// There is no such program.
    NotFound,
    /// It may not be executed by this user.
    PermissionDenied,
    /// It is not a program.
    NotExecutable,
    /// The working directory cannot be entered.
    BadCwd,
    /// Arguments or environment were refused.
    BadArgs,
    /// A resource limit could not be set, or was met.
    ResourceLimit,
    /// The user does not exist, or could not be become.
    UserSetupFailed,
    /// The guest has no memory left.
    OutOfMemory,
    /// There was no terminal for it.
    PtySetupFailed,
    /// Anything else.
    Other,
}

impl ExecFailureKind {
    pub(crate) fn from_name(name: Option<&str>) -> Self {
        match name {
            Some("not_found") => Self::NotFound,
            Some("permission_denied") => Self::PermissionDenied,
            Some("not_executable") => Self::NotExecutable,
            Some("bad_cwd") => Self::BadCwd,
            Some("bad_args") => Self::BadArgs,
            Some("resource_limit") => Self::ResourceLimit,
            Some("user_setup_failed") => Self::UserSetupFailed,
            Some("out_of_memory") => Self::OutOfMemory,
            Some("pty_setup_failed") => Self::PtySetupFailed,
            _ => Self::Other,
        }
    }
}

/// A follower of logs that was too slow: entries it had not read are gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissedRotation {
    /// The file they were in.
    pub file: Option<String>,
    /// How far it had been read.
    pub dropped_from_offset: Option<u64>,
    /// Message and the rest.
    pub info: ErrorInfo,
}

/// A command that was killed for its time limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecTimeout {
    /// The limit.
    pub timeout: Option<Duration>,
    /// What it had written to its standard output, if that was collected.
    pub stdout: Vec<u8>,
    /// The same of its standard error.
    pub stderr: Vec<u8>,
    /// Message and the rest.
    pub info: ErrorInfo,
}

/// Turns the facts of an error into what a variant carries.
trait Payload {
    fn of(info: ErrorInfo) -> Self;
    fn info(&self) -> &ErrorInfo;
}

impl Payload for ErrorInfo {
    fn of(info: ErrorInfo) -> Self {
        info
    }
    fn info(&self) -> &ErrorInfo {
        self
    }
}

fn owned(info: &ErrorInfo, key: &str) -> Option<String> {
    info.detail(key).map(str::to_string)
}

impl Payload for Box<BootError> {
    fn of(info: ErrorInfo) -> Self {
        Box::new(BootError {
            sandbox: owned(&info, "sandbox"),
            stage: owned(&info, "stage"),
            kernel_log: owned(&info, "kernel_log"),
            info,
        })
    }
    fn info(&self) -> &ErrorInfo {
        &self.info
    }
}

impl Payload for Box<ExecFailure> {
    fn of(info: ErrorInfo) -> Self {
        Box::new(ExecFailure {
            kind: ExecFailureKind::from_name(info.detail("kind")),
            command: owned(&info, "command"),
            errno: info.errno(),
            errno_name: owned(&info, "errno_name"),
            stage: owned(&info, "stage"),
            info,
        })
    }
    fn info(&self) -> &ErrorInfo {
        &self.info
    }
}

impl Payload for Box<ExecTimeout> {
    fn of(info: ErrorInfo) -> Self {
        let ms = info.detail("timeout_ms").and_then(|s| s.parse().ok());
        Box::new(ExecTimeout {
            timeout: ms.map(Duration::from_millis),
            stdout: Vec::new(),
            stderr: Vec::new(),
            info,
        })
    }
    fn info(&self) -> &ErrorInfo {
        &self.info
    }
}

impl Payload for Box<MissedRotation> {
    fn of(info: ErrorInfo) -> Self {
        Box::new(MissedRotation {
            file: owned(&info, "file"),
            dropped_from_offset: info.detail("offset").and_then(|s| s.parse().ok()),
            info,
        })
    }
    fn info(&self) -> &ErrorInfo {
        &self.info
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident($payload:ty) = $code:ident,)*) => {
        /// Kinds of errors, without what belongs to one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum ErrorKind {
            $($(#[$doc])* $name,)*
            /// One that only a later library knows.
            Other,
        }

        impl ErrorKind {
            /// Every kind this crate knows.
            pub const ALL: &'static [ErrorKind] = &[$(ErrorKind::$name,)*];

            pub(crate) fn code(self) -> sys::msb_error_kind_t {
                match self {
                    $(ErrorKind::$name => sys::$code,)*
                    ErrorKind::Other => sys::MSB_ERR_NONE,
                }
            }
        }

        /// A failure. Every variant has a line of text, which is what `Display`
        /// gives; some have more.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum MicrosandboxError {
            $($(#[$doc])* $name($payload),)*
            /// A kind that only a later library knows, by its name.
            Other(String, ErrorInfo),
        }

        impl MicrosandboxError {
            fn from_parts(code: sys::msb_error_kind_t, name: String, info: ErrorInfo) -> Self {
                match code {
                    $(sys::$code => MicrosandboxError::$name(Payload::of(info)),)*
                    _ => MicrosandboxError::Other(name, info),
                }
            }

            /// Which kind it is.
            pub fn kind(&self) -> ErrorKind {
                match self {
                    $(MicrosandboxError::$name(_) => ErrorKind::$name,)*
                    MicrosandboxError::Other(..) => ErrorKind::Other,
                }
            }

            /// Message, number and details.
            pub fn info(&self) -> &ErrorInfo {
                match self {
                    $(MicrosandboxError::$name(p) => Payload::info(p),)*
                    MicrosandboxError::Other(_, info) => info,
                }
            }
        }
    };
}

kinds! {
    /// The host failed to read, write or connect.
    Io(ErrorInfo) = MSB_ERR_IO,
    /// A configuration or an argument that is not allowed.
    InvalidConfig(ErrorInfo) = MSB_ERR_INVALID,
    /// There is no sandbox of that name.
    SandboxNotFound(ErrorInfo) = MSB_ERR_SANDBOX_NOT_FOUND,
    /// The name is taken.
    SandboxAlreadyExists(ErrorInfo) = MSB_ERR_SANDBOX_EXISTS,
    /// It runs, and must not.
    SandboxStillRunning(ErrorInfo) = MSB_ERR_SANDBOX_RUNNING,
    /// It is not in a state for this: mostly, it does not run.
    SandboxState(ErrorInfo) = MSB_ERR_SANDBOX_STATE,
    /// The catalogue cannot be used.
    Database(ErrorInfo) = MSB_ERR_DATABASE,
    /// The process of a sandbox failed.
    Runtime(ErrorInfo) = MSB_ERR_RUNTIME,
    /// A sandbox did not come up.
    BootStart(Box<BootError>) = MSB_ERR_BOOT,
    /// The other side does not keep to the protocol.
    Protocol(ErrorInfo) = MSB_ERR_PROTOCOL,
    /// The connection to a guest's agent was lost, or was refused.
    AgentClient(ErrorInfo) = MSB_ERR_AGENT,
    /// A program was never started.
    ExecFailed(Box<ExecFailure>) = MSB_ERR_EXEC_FAILED,
    /// It took longer than was allowed.
    Timeout(ErrorInfo) = MSB_ERR_TIMEOUT,
    /// This cannot be done here.
    Unsupported(ErrorInfo) = MSB_ERR_UNSUPPORTED,
    /// The disk is full, or a quota is.
    NoSpace(ErrorInfo) = MSB_ERR_NO_SPACE,
    /// The host's user may not do this.
    Permission(ErrorInfo) = MSB_ERR_PERMISSION,
    /// There is no memory left.
    NoMemory(ErrorInfo) = MSB_ERR_NO_MEMORY,
    /// An operation on files of a guest or a volume failed.
    SandboxFs(ErrorInfo) = MSB_ERR_FS,
    /// An image could not be pulled, or is damaged.
    Image(ErrorInfo) = MSB_ERR_IMAGE,
    /// An image is not in the cache.
    ImageNotFound(ErrorInfo) = MSB_ERR_IMAGE_NOT_FOUND,
    /// A sandbox was made from the image.
    ImageInUse(ErrorInfo) = MSB_ERR_IMAGE_IN_USE,
    /// There is no volume of that name.
    VolumeNotFound(ErrorInfo) = MSB_ERR_VOLUME_NOT_FOUND,
    /// The name of the volume is taken.
    VolumeAlreadyExists(ErrorInfo) = MSB_ERR_VOLUME_EXISTS,
    /// A sandbox runs with the volume.
    VolumeInUse(ErrorInfo) = MSB_ERR_VOLUME_IN_USE,
    /// There is no such snapshot.
    SnapshotNotFound(ErrorInfo) = MSB_ERR_SNAPSHOT_NOT_FOUND,
    /// There is such a snapshot already.
    SnapshotAlreadyExists(ErrorInfo) = MSB_ERR_SNAPSHOT_EXISTS,
    /// The sandbox runs, or is of a kind that has no snapshots.
    SnapshotSandboxRunning(ErrorInfo) = MSB_ERR_SNAPSHOT_SOURCE,
    /// The image below a snapshot is missing.
    SnapshotImageMissing(ErrorInfo) = MSB_ERR_SNAPSHOT_IMAGE_MISSING,
    /// A snapshot is not what was recorded.
    SnapshotIntegrity(ErrorInfo) = MSB_ERR_SNAPSHOT_INTEGRITY,
    /// A follower of logs was too slow.
    MissedRotation(Box<MissedRotation>) = MSB_ERR_MISSED_ROTATION,
    /// What a cursor points to is gone, or was never there.
    InvalidCursor(ErrorInfo) = MSB_ERR_INVALID_CURSOR,
    /// The sandbox takes no samples.
    MetricsDisabled(ErrorInfo) = MSB_ERR_METRICS_DISABLED,
    /// There is no sample: it does not run, or has just begun.
    MetricsUnavailable(ErrorInfo) = MSB_ERR_METRICS_UNAVAILABLE,
    /// A [`CancelToken`](crate::CancelToken) ended the call.
    Cancelled(ErrorInfo) = MSB_ERR_CANCELLED,
    /// A command was killed for its time limit.
    ExecTimeout(Box<ExecTimeout>) = MSB_ERR_EXEC_TIMEOUT,
    /// The root file system could not be changed as was asked.
    PatchFailed(ErrorInfo) = MSB_ERR_PATCH,
    /// There is no such file in the guest or the volume.
    PathNotFound(ErrorInfo) = MSB_ERR_FS_NOT_FOUND,
    /// The sandbox has as many clients as it takes.
    AgentBusy(ErrorInfo) = MSB_ERR_AGENT_BUSY,
    /// This client has been closed.
    AgentClosed(ErrorInfo) = MSB_ERR_AGENT_CLOSED,
}

impl ErrorKind {
    /// Its name, the same in every language: `sandbox_not_found`, ...
    pub fn as_str(self) -> &'static str {
        if self == ErrorKind::Other {
            return "other";
        }
        // SAFETY: the library's names are constants.
        unsafe { std::ffi::CStr::from_ptr(sys::msb_error_kind_name(self.code())) }
            .to_str()
            .unwrap_or("other")
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl MicrosandboxError {
    /// Takes over what a failed function has set.
    ///
    /// # Safety
    /// `e` is NULL or an error of the library's, which is freed.
    pub(crate) unsafe fn take(rc: i64, e: *mut sys::msb_error_t) -> Self {
        if e.is_null() {
            let errno = i32::try_from(-rc).unwrap_or(0);
            return Self::from(io::Error::from_raw_os_error(errno));
        }
        let mut details = BTreeMap::new();
        let mut i = 0;
        while let Some(item) = ffi::opt_text(sys::msb_error_detail_item(e, i)) {
            if let Some((key, value)) = item.split_once('=') {
                details.insert(key.to_string(), value.to_string());
            }
            i += 1;
        }
        let info = ErrorInfo(Box::new(Inner {
            message: ffi::text(sys::msb_error_message(e)),
            text: ffi::text(sys::msb_error_text(e)),
            errno: sys::msb_error_errno(e),
            details,
        }));
        let code = sys::msb_error_kind(e);
        let name = ffi::text(sys::msb_error_kind_name(code));
        sys::msb_error_free(e);
        Self::from_parts(code, name, info)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::InvalidConfig(ErrorInfo::new(message, 22))
    }

    pub(crate) fn protocol(message: impl Into<String>) -> Self {
        Self::Protocol(ErrorInfo::new(message, 0))
    }

    pub(crate) fn no_memory() -> Self {
        Self::NoMemory(ErrorInfo::new("out of memory", 12))
    }

    /// One line without its category.
    pub fn message(&self) -> &str {
        self.info().message()
    }

    /// Number of the operating system, if one applies.
    pub fn errno(&self) -> Option<i32> {
        self.info().errno()
    }

    /// Further facts by name.
    pub fn details(&self) -> &BTreeMap<String, String> {
        self.info().details()
    }

    /// The name of its kind, the same in every language.
    pub fn kind_name(&self) -> &str {
        match self {
            MicrosandboxError::Other(name, _) => name,
            _ => self.kind().as_str(),
        }
    }
}

impl fmt::Display for MicrosandboxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.info().text())
    }
}

impl std::error::Error for MicrosandboxError {}

impl From<io::Error> for MicrosandboxError {
    fn from(e: io::Error) -> Self {
        let errno = e.raw_os_error().unwrap_or(0);
        match e.into_inner().map(|inner| inner.downcast::<MicrosandboxError>()) {
            Some(Ok(original)) => *original,
            Some(Err(other)) => Self::Io(ErrorInfo::new(other.to_string(), errno)),
            None => {
                Self::Io(ErrorInfo::new(io::Error::from_raw_os_error(errno).to_string(), errno))
            }
        }
    }
}

impl From<MicrosandboxError> for io::Error {
    fn from(e: MicrosandboxError) -> Self {
        let kind = match e.kind() {
            ErrorKind::PathNotFound => io::ErrorKind::NotFound,
            ErrorKind::Timeout | ErrorKind::ExecTimeout => io::ErrorKind::TimedOut,
            ErrorKind::Permission => io::ErrorKind::PermissionDenied,
            ErrorKind::InvalidConfig => io::ErrorKind::InvalidInput,
            ErrorKind::AgentClient | ErrorKind::AgentClosed => io::ErrorKind::BrokenPipe,
            _ => match e.errno() {
                Some(n) => io::Error::from_raw_os_error(n).kind(),
                None => io::ErrorKind::Other,
            },
        };
        io::Error::new(kind, e)
    }
}
