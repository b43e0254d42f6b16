// SPDX-License-Identifier: Apache-2.0
//! Commands in a guest.

mod handle;

pub use handle::{ExecControl, ExecEvent, ExecHandle, ExecSink};

use crate::error::{MicrosandboxError, MicrosandboxResult};
use crate::ffi::{self, CStrings};
use crate::sandbox::Sandbox;
use crate::sys;
use std::ffi::{CString, OsStr, OsString};
use std::path::Path;
use std::ptr;
use std::time::Duration;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ExitStatus {
    code: i32,
    signal: i32,
}

impl ExitStatus {
    pub(crate) fn new(code: i32, signal: i32) -> Self {
        ExitStatus { code, signal }
    }

    /// Its code; -1 when a signal ended it.
    pub fn code(&self) -> i32 {
        self.code
    }

    /// The signal that ended it.
    pub fn signal(&self) -> Option<i32> {
        (self.signal != 0).then_some(self.signal)
    }

    /// Did it end with 0?
    pub fn success(&self) -> bool {
        self.code == 0
    }
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.signal() {
            Some(signal) => write!(f, "signal {signal}"),
            None => write!(f, "exit code {}", self.code),
        }
    }
}

/// A command that has ended, and what it wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecOutput {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    truncated: bool,
}

impl ExecOutput {
    /// How it ended.
    pub fn status(&self) -> ExitStatus {
        self.status
    }

    /// Its standard output, which has to be UTF-8. Of a terminal, everything.
    pub fn stdout(&self) -> MicrosandboxResult<&str> {
        as_text(&self.stdout)
    }

    /// Its standard error, which has to be UTF-8.
    pub fn stderr(&self) -> MicrosandboxResult<&str> {
        as_text(&self.stderr)
    }

    /// Its standard output.
    pub fn stdout_bytes(&self) -> &[u8] {
        &self.stdout
    }

    /// Its standard error.
    pub fn stderr_bytes(&self) -> &[u8] {
        &self.stderr
    }

    /// Both, as they are.
    pub fn into_bytes(self) -> (Vec<u8>, Vec<u8>) {
        (self.stdout, self.stderr)
    }

    /// Was there more than is kept?
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    fn collect(
        f: impl FnOnce(*mut sys::msb_exec_output_t, *mut *mut sys::msb_error_t) -> i32,
    ) -> MicrosandboxResult<Self> {
        let mut raw = sys::msb_exec_output_t {
            struct_size: std::mem::size_of::<sys::msb_exec_output_t>(),
            exit_code: -1,
            signal: 0,
            out: ptr::null_mut(),
            err: ptr::null_mut(),
            out_len: 0,
            err_len: 0,
            truncated: false,
        };
        let result = ffi::call(|e| f(&mut raw, e));
        // SAFETY: filled by the library, or empty.
        let (stdout, stderr) = unsafe {
            let both = (ffi::bytes(raw.out, raw.out_len), ffi::bytes(raw.err, raw.err_len));
            sys::msb_exec_output_clear(&mut raw);
            both
        };
        match result {
            Ok(_) => Ok(ExecOutput {
                status: ExitStatus::new(raw.exit_code, raw.signal),
                stdout,
                stderr,
                truncated: raw.truncated,
            }),
            Err(MicrosandboxError::ExecTimeout(mut e)) => {
                e.stdout = stdout;
                e.stderr = stderr;
                Err(MicrosandboxError::ExecTimeout(e))
            }
            Err(e) => Err(e),
        }
    }
}

fn as_text(bytes: &[u8]) -> MicrosandboxResult<&str> {
    std::str::from_utf8(bytes)
        .map_err(|e| MicrosandboxError::invalid(format!("the output is not UTF-8: {e}")))
}

#[derive(Debug, Clone)]
enum Stdin {
    Null,
    Pipe,
    Bytes(Vec<u8>),
}

#[derive(Debug, Clone)]
enum What {
    Command(Vec<OsString>),
    Script(OsString),
}

/// Says how a command is to be run.
#[derive(Debug, Clone)]
pub struct ExecOptionsBuilder {
    what: What,
    cwd: Option<OsString>,
    user: Option<OsString>,
    env: Vec<(OsString, OsString)>,
    rlimits: Vec<(String, u64, u64)>,
    timeout: Option<Duration>,
    stdin: Stdin,
    tty: Option<(u16, u16)>,
    term: Option<String>,
    output_max: Option<usize>,
}

impl ExecOptionsBuilder {
    fn new(what: What) -> Self {
        ExecOptionsBuilder {
            what,
            cwd: None,
            user: None,
            env: Vec::new(),
            rlimits: Vec::new(),
            timeout: None,
            stdin: Stdin::Null,
            tty: None,
            term: None,
            output_max: None,
        }
    }

    pub(crate) fn command(program: impl AsRef<OsStr>) -> Self {
        Self::new(What::Command(vec![program.as_ref().to_os_string()]))
    }

    pub(crate) fn script(script: impl AsRef<OsStr>) -> Self {
        Self::new(What::Script(script.as_ref().to_os_string()))
    }

    /// One more argument. A script has none.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        if let What::Command(argv) = &mut self.what {
            argv.push(arg.as_ref().to_os_string());
        }
        self
    }

    /// Several of them.
    pub fn args<I>(self, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        args.into_iter().fold(self, Self::arg)
    }

    /// Directory it starts in.
    pub fn cwd(mut self, path: impl AsRef<Path>) -> Self {
        self.cwd = Some(path.as_ref().as_os_str().to_os_string());
        self
    }

    /// Who runs it.
    pub fn user(mut self, user: impl AsRef<OsStr>) -> Self {
        self.user = Some(user.as_ref().to_os_string());
        self
    }

    /// A variable of its environment, above the sandbox's.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.env.push((key.as_ref().to_os_string(), value.as_ref().to_os_string()));
        self
    }

    /// Several of them.
    pub fn envs<I, K, V>(self, vars: I) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        vars.into_iter().fold(self, |b, (k, v)| b.env(k, v))
    }

    /// Kill it after so long: that is the error
    /// [`ExecTimeout`](MicrosandboxError::ExecTimeout).
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// No standard input. The default.
    pub fn stdin_null(mut self) -> Self {
        self.stdin = Stdin::Null;
        self
    }

    /// Standard input comes from [`ExecHandle::take_stdin`].
    pub fn stdin_pipe(mut self) -> Self {
        self.stdin = Stdin::Pipe;
        self
    }

    /// All of its standard input.
    pub fn stdin_bytes(mut self, data: impl Into<Vec<u8>>) -> Self {
        self.stdin = Stdin::Bytes(data.into());
        self
    }

    /// Give it a terminal, of 24 lines of 80 characters.
    pub fn tty(self, on: bool) -> Self {
        if on {
            self.tty_size(24, 80)
        } else {
            ExecOptionsBuilder { tty: None, ..self }
        }
    }

    /// Give it a terminal of this size.
    pub fn tty_size(mut self, rows: u16, cols: u16) -> Self {
        self.tty = Some((rows, cols));
        self
    }

    /// Value of `TERM` where the environment has none.
    pub fn term(mut self, term: impl AsRef<str>) -> Self {
        self.term = Some(term.as_ref().to_string());
        self
    }

    /// A limit of this command: `nofile`, `nproc`, ...
    pub fn rlimit(self, resource: impl AsRef<str>, limit: u64) -> Self {
        self.rlimit_range(resource, limit, limit)
    }

    /// The same, where the program may raise it to `hard`.
    pub fn rlimit_range(mut self, resource: impl AsRef<str>, soft: u64, hard: u64) -> Self {
        self.rlimits.push((resource.as_ref().to_string(), soft, hard));
        self
    }

    /// How many bytes of each stream are kept when it is collected.
    pub fn output_max(mut self, bytes: usize) -> Self {
        self.output_max = Some(bytes);
        self
    }

    fn raw(&self, sandbox: &Sandbox) -> MicrosandboxResult<RawOptions> {
        // SAFETY (all): pointers are good for the calls, which copy.
        let o = unsafe { sys::msb_exec_options_new() };
        if o.is_null() {
            return Err(MicrosandboxError::no_memory());
        }
        let raw = RawOptions(o);
        match &self.what {
            What::Command(argv) => {
                let argv = CStrings::new(argv)?;
                ffi::call(|e| unsafe {
                    sys::msb_exec_options_set_command(o, argv.as_ptr(), argv.len(), e)
                })?;
            }
            What::Script(script) => {
                let script = ffi::cstring(script)?;
                ffi::call(|e| unsafe {
                    sys::msb_exec_options_set_shell(o, sandbox.ptr(), script.as_ptr(), e)
                })?;
            }
        }
        for (key, value) in &self.env {
            let (key, value) = (ffi::cstring(key)?, ffi::cstring(value)?);
            ffi::call(|e| unsafe {
                sys::msb_exec_options_add_env(o, key.as_ptr(), value.as_ptr(), e)
            })?;
        }
        if let Some(cwd) = &self.cwd {
            let cwd = ffi::cstring(cwd)?;
            ffi::call(|e| unsafe { sys::msb_exec_options_set_cwd(o, cwd.as_ptr(), e) })?;
        }
        if let Some(user) = &self.user {
            let user = ffi::cstring(user)?;
            ffi::call(|e| unsafe { sys::msb_exec_options_set_user(o, user.as_ptr(), e) })?;
        }
        for (resource, soft, hard) in &self.rlimits {
            let resource = ffi::cstring(resource)?;
            ffi::call(|e| unsafe {
                sys::msb_exec_options_add_rlimit(o, resource.as_ptr(), *soft, *hard, e)
            })?;
        }
        if let Some((rows, cols)) = self.tty {
            let term: Option<CString> = self.term.as_ref().map(ffi::cstring).transpose()?;
            unsafe {
                sys::msb_exec_options_set_tty(
                    o,
                    true,
                    rows.into(),
                    cols.into(),
                    ffi::opt_ptr(&term),
                )
            };
        }
        if let Some(timeout) = self.timeout {
            // 0 would be none at all.
            unsafe { sys::msb_exec_options_set_timeout_ms(o, ffi::millis(timeout).max(1)) };
        }
        if let Some(bytes) = self.output_max {
            unsafe { sys::msb_exec_options_set_output_max(o, bytes) };
        }
        let input: Option<&[u8]> = match &self.stdin {
            Stdin::Null => Some(&[]),
            Stdin::Bytes(data) => Some(data),
            Stdin::Pipe => None,
        };
        if let Some(input) = input {
            ffi::call(|e| unsafe {
                sys::msb_exec_options_set_stdin(o, input.as_ptr().cast(), input.len(), e)
            })?;
        }
        Ok(raw)
    }

    pub(crate) fn run(self, sandbox: &Sandbox) -> MicrosandboxResult<ExecOutput> {
        let options = self.raw(sandbox)?;
        // SAFETY: all are alive.
        ExecOutput::collect(|ret, e| unsafe { sys::msb_exec_run(sandbox.ptr(), options.0, ret, e) })
    }

    pub(crate) fn start(self, sandbox: &Sandbox) -> MicrosandboxResult<ExecHandle> {
        let options = self.raw(sandbox)?;
        // SAFETY: all are alive.
        let ptr =
            ffi::make(|ret, e| unsafe { sys::msb_exec_start(sandbox.ptr(), options.0, ret, e) })?;
        Ok(ExecHandle::new(ptr, sandbox, matches!(self.stdin, Stdin::Pipe)))
    }
}

struct RawOptions(*mut sys::msb_exec_options_t);

impl Drop for RawOptions {
    fn drop(&mut self) {
        // SAFETY: nobody else has it.
        unsafe { sys::msb_exec_options_free(self.0) }
    }
}
