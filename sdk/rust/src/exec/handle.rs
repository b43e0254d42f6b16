// SPDX-License-Identifier: Apache-2.0
//! Commands that run: their events, their input, and their control.

use super::{ExecOutput, ExitStatus};
use crate::error::{MicrosandboxError, MicrosandboxResult};
use crate::ffi;
use crate::sandbox::Sandbox;
use crate::sys;
use std::io;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

/// What a command does.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExecEvent {
    /// It runs, as this process of the guest.
    Started {
        /// The process.
        pid: u32,
    },
    /// It wrote to its standard output, or to its terminal.
    Stdout(Vec<u8>),
    /// It wrote to its standard error.
    Stderr(Vec<u8>),
    /// It takes no more input; it goes on.
    StdinError {
        /// Why.
        message: String,
    },
    /// It has ended. The last event.
    Exited(ExitStatus),
}

/// The library's object. Frees it, and by that kills what still runs.
struct Raw {
    ptr: *mut sys::msb_exec_t,
    /// Holds the machine while its command is of interest.
    _sandbox: Sandbox,
}

// SAFETY: input, signals and sizes may be sent by any thread; events are only
// read through `&mut ExecHandle`, of which there is one.
unsafe impl Send for Raw {}
unsafe impl Sync for Raw {}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: the last reference.
        unsafe { sys::msb_exec_free(self.ptr) }
    }
}

impl Raw {
    fn signal(&self, signal: i32) -> MicrosandboxResult<()> {
        // SAFETY: alive.
        ffi::call(|e| unsafe { sys::msb_exec_signal(self.ptr, signal, e) }).map(drop)
    }

    fn resize(&self, rows: u16, cols: u16) -> MicrosandboxResult<()> {
        // SAFETY: alive.
        ffi::call(|e| unsafe { sys::msb_exec_resize(self.ptr, rows.into(), cols.into(), e) })
            .map(drop)
    }
}

const SIGKILL: i32 = 9;

/// A command that was started. An iterator over what it does, which ends behind
/// [`ExecEvent::Exited`], or behind an error: that it could not be started, or
/// ran into its time limit.
///
/// When this, its [`ExecControl`]s and its [`ExecSink`] are dropped and the
/// command still runs, it is killed.
///
/// ```no_run
/// use microsandbox::ExecEvent;
/// # fn main() -> microsandbox::MicrosandboxResult<()> {
/// # let sandbox = microsandbox::Sandbox::get("box")?.connect()?;
/// for event in sandbox.exec_stream("make", ["-j4"])? {
///     match event? {
///         ExecEvent::Stdout(data) => print!("{}", String::from_utf8_lossy(&data)),
///         ExecEvent::Exited(status) => println!("{status}"),
///         _ => {}
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct ExecHandle {
    raw: Arc<Raw>,
    stdin: Option<ExecSink>,
    ended: bool,
}

impl ExecHandle {
    pub(super) fn new(ptr: *mut sys::msb_exec_t, sandbox: &Sandbox, pipe: bool) -> Self {
        let raw = Arc::new(Raw { ptr, _sandbox: sandbox.clone() });
        let stdin = pipe.then(|| ExecSink { raw: raw.clone() });
        ExecHandle { raw, stdin, ended: false }
    }

    pub(crate) fn attach(sandbox: &Sandbox) -> MicrosandboxResult<Self> {
        // SAFETY: alive.
        let ptr = ffi::make(|ret, e| unsafe { sys::msb_sandbox_attach(sandbox.ptr(), ret, e) })?;
        Ok(Self::new(ptr, sandbox, true))
    }

    /// Of its session, unique within one boot of the sandbox.
    pub fn id(&self) -> String {
        self.control().id()
    }

    /// Does it have a terminal?
    pub fn is_tty(&self) -> bool {
        // SAFETY: alive.
        unsafe { sys::msb_exec_is_tty(self.raw.ptr) }
    }

    /// Wait for what it does next; `None` after its end.
    pub fn recv(&mut self) -> MicrosandboxResult<Option<ExecEvent>> {
        loop {
            if self.ended {
                return Ok(None);
            }
            if let Some(event) = self.next_event(-1)? {
                return Ok(Some(event));
            }
        }
    }

    /// The same for so long; `None` when there was nothing, too.
    pub fn recv_timeout(&mut self, timeout: Duration) -> MicrosandboxResult<Option<ExecEvent>> {
        self.next_event(ffi::millis_int(timeout))
    }

    fn next_event(&mut self, timeout_ms: i32) -> MicrosandboxResult<Option<ExecEvent>> {
        if self.ended {
            return Ok(None);
        }
        let mut ev = sys::msb_exec_event_t {
            struct_size: std::mem::size_of::<sys::msb_exec_event_t>(),
            kind: sys::MSB_EXEC_NONE,
            data: ptr::null(),
            len: 0,
            pid: 0,
            exit_code: 0,
            signal: 0,
        };
        // SAFETY: alive, and nobody else reads, having &mut.
        let result =
            ffi::call(|e| unsafe { sys::msb_exec_next(self.raw.ptr, timeout_ms, &mut ev, e) });
        if let Err(e) = result {
            // One who is called off may go on later; all else is the end.
            self.ended = !matches!(e, MicrosandboxError::Cancelled(_));
            return Err(e);
        }
        // SAFETY: of the event, valid until the next call.
        let data = || unsafe { ffi::bytes(ev.data, ev.len) };
        Ok(match ev.kind {
            sys::MSB_EXEC_STARTED => Some(ExecEvent::Started { pid: ev.pid }),
            sys::MSB_EXEC_STDOUT => Some(ExecEvent::Stdout(data())),
            sys::MSB_EXEC_STDERR => Some(ExecEvent::Stderr(data())),
            sys::MSB_EXEC_STDIN_ERROR => Some(ExecEvent::StdinError {
                message: String::from_utf8_lossy(&data()).into_owned(),
            }),
            sys::MSB_EXEC_EXITED => {
                self.ended = true;
                Some(ExecEvent::Exited(ExitStatus::new(ev.exit_code, ev.signal)))
            }
            _ => None,
        })
    }

    /// Its standard input, once, if it was started with
    /// [`stdin_pipe`](super::ExecOptionsBuilder::stdin_pipe).
    pub fn take_stdin(&mut self) -> Option<ExecSink> {
        self.stdin.take()
    }

    /// Wait for its end; what it writes is dropped.
    pub fn wait(&mut self) -> MicrosandboxResult<ExitStatus> {
        self.stdin = None;
        while let Some(event) = self.recv()? {
            if let ExecEvent::Exited(status) = event {
                return Ok(status);
            }
        }
        // It has ended before: its last event is given again.
        self.ended = false;
        match self.recv()? {
            Some(ExecEvent::Exited(status)) => Ok(status),
            _ => Err(MicrosandboxError::protocol("the command ended without an exit status")),
        }
    }

    /// Everything from now to its end.
    pub fn collect(mut self) -> MicrosandboxResult<ExecOutput> {
        self.stdin = None;
        // SAFETY: alive, and nobody else reads.
        ExecOutput::collect(|ret, e| unsafe { sys::msb_exec_collect(self.raw.ptr, ret, e) })
    }

    /// Send it a signal.
    pub fn signal(&self, signal: i32) -> MicrosandboxResult<()> {
        self.raw.signal(signal)
    }

    /// Kill it.
    pub fn kill(&self) -> MicrosandboxResult<()> {
        self.raw.signal(SIGKILL)
    }

    /// Its terminal has another size.
    pub fn resize(&self, rows: u16, cols: u16) -> MicrosandboxResult<()> {
        self.raw.resize(rows, cols)
    }

    /// What other threads control it by, while this one waits for events.
    pub fn control(&self) -> ExecControl {
        ExecControl { raw: self.raw.clone() }
    }

    /// Let it go on running without this process;
    /// [`Sandbox::reattach`] comes back to it.
    pub fn detach(self) -> MicrosandboxResult<()> {
        // SAFETY: alive.
        ffi::call(|e| unsafe { sys::msb_exec_detach(self.raw.ptr, e) }).map(drop)
    }

    /// Readable when [`recv_timeout`](Self::recv_timeout) with no time is worth
    /// a call: for a loop of one's own, with poll or epoll.
    pub fn as_raw_fd(&self) -> std::os::unix::io::RawFd {
        // SAFETY: alive.
        unsafe { sys::msb_exec_fd(self.raw.ptr) }
    }
}

impl Iterator for ExecHandle {
    type Item = MicrosandboxResult<ExecEvent>;

    fn next(&mut self) -> Option<Self::Item> {
        self.recv().transpose()
    }
}

impl std::fmt::Debug for ExecHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ExecHandle").field("id", &self.id()).field("ended", &self.ended).finish()
    }
}

/// Controls a command from any thread.
#[derive(Clone)]
pub struct ExecControl {
    raw: Arc<Raw>,
}

impl ExecControl {
    /// As [`ExecHandle::id`].
    pub fn id(&self) -> String {
        // SAFETY: alive.
        unsafe { sys::msb_exec_id(self.raw.ptr) }.to_string()
    }

    /// Send it a signal.
    pub fn signal(&self, signal: i32) -> MicrosandboxResult<()> {
        self.raw.signal(signal)
    }

    /// Kill it.
    pub fn kill(&self) -> MicrosandboxResult<()> {
        self.raw.signal(SIGKILL)
    }

    /// Its terminal has another size.
    pub fn resize(&self, rows: u16, cols: u16) -> MicrosandboxResult<()> {
        self.raw.resize(rows, cols)
    }
}

impl std::fmt::Debug for ExecControl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ExecControl").field(&self.id()).finish()
    }
}

/// Standard input of a command. Dropping it ends the input.
pub struct ExecSink {
    raw: Arc<Raw>,
}

impl ExecSink {
    /// All of it, waiting until it is on its way.
    pub fn send(&self, data: impl AsRef<[u8]>) -> MicrosandboxResult<()> {
        let data = data.as_ref();
        // SAFETY: alive.
        ffi::call(|e| unsafe {
            sys::msb_exec_send_stdin(self.raw.ptr, data.as_ptr().cast(), data.len(), e)
        })
        .map(drop)
    }

    /// No more input. Dropping does this, too, but cannot tell of an error.
    pub fn close(self) -> MicrosandboxResult<()> {
        self.end()
    }

    fn end(&self) -> MicrosandboxResult<()> {
        // SAFETY: alive. May be repeated.
        ffi::call(|e| unsafe { sys::msb_exec_close_stdin(self.raw.ptr, e) }).map(drop)
    }
}

impl Drop for ExecSink {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl io::Write for ExecSink {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.send(data)?;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl std::fmt::Debug for ExecSink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExecSink")
    }
}
