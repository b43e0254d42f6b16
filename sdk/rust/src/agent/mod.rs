// SPDX-License-Identifier: Apache-2.0
//! Frames to and from a guest's agent (docs/protocol.md), for what has no
//! function of its own: as bytes (the raw tier), or as messages (the typed one).

mod cbor;
mod fs_payload;
mod message;
mod payload;

pub use cbor::Cbor;
pub use fs_payload::{
    FsAttrs, FsData, FsInfo, FsOp, FsOpen, FsRequest, FsResponse, FsResponseData,
};
pub use message::{Message, MessageStream, MessageType};
pub use payload::{
    AgentError, ClientDisconnected, ClockSync, Empty, ExecExited, ExecFailed, ExecOutputData,
    ExecRequest, ExecResize, ExecRlimit, ExecSignal, ExecStarted, ExecStdin, ExecStdinError,
    Payload, Ready, TcpConnect, TcpData, TcpFailed, Touched,
};

use crate::error::{MicrosandboxError, MicrosandboxResult};
use crate::ffi;
use crate::home::Home;
use crate::sandbox::DEFAULT_CONNECT_TIMEOUT;
use crate::sys;
use std::mem::size_of;
use std::ops::Range;
use std::path::Path;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

/// Flag of the last frame of a stream.
pub const FLAG_TERMINAL: u8 = sys::MSB_AGENT_TERMINAL as u8;
/// Flag of the first frame of a stream.
pub const FLAG_SESSION_START: u8 = sys::MSB_AGENT_SESSION_START as u8;
/// Flag of a request to shut down.
pub const FLAG_SHUTDOWN: u8 = sys::MSB_AGENT_SHUTDOWN as u8;

/// A frame as it is on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawFrame {
    /// Which stream it is of.
    pub id: u32,
    /// [`FLAG_TERMINAL`] and so on.
    pub flags: u8,
    /// A CBOR map `{v, t, p}`.
    pub body: Vec<u8>,
}

impl RawFrame {
    fn empty() -> sys::msb_agent_frame_t {
        sys::msb_agent_frame_t {
            struct_size: size_of::<sys::msb_agent_frame_t>(),
            id: 0,
            flags: 0,
            body: ptr::null_mut(),
            len: 0,
        }
    }

    /// # Safety
    /// A frame that was received, which is cleared.
    unsafe fn take(mut raw: sys::msb_agent_frame_t) -> Self {
        let body = ffi::bytes(raw.body, raw.len);
        let frame = RawFrame { id: raw.id, flags: raw.flags, body };
        sys::msb_agent_frame_clear(&mut raw);
        frame
    }

    /// Is it the last one of its stream?
    pub fn is_terminal(&self) -> bool {
        self.flags & FLAG_TERMINAL != 0
    }
}

struct Raw {
    ptr: *mut sys::msb_agent_t,
    ready_bytes: Vec<u8>,
    _home: Option<Home>,
}

// SAFETY: any number of threads may use a client.
unsafe impl Send for Raw {}
unsafe impl Sync for Raw {}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: the last reference; streams hold one each.
        unsafe { sys::msb_agent_free(self.ptr) }
    }
}

/// A client of a guest's agent. Copies share a connection; any number of
/// threads may use it at once.
///
/// ```no_run
/// use microsandbox::agent::{AgentClient, Empty, MessageType};
/// # fn main() -> microsandbox::MicrosandboxResult<()> {
/// let client = AgentClient::connect_sandbox("box")?;
/// println!("up after {} ns", client.ready()?.init_time_ns);
/// let pong = client.request(MessageType::Ping, &Empty)?;
/// assert_eq!(pong.message_type, MessageType::Pong);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AgentClient {
    raw: Arc<Raw>,
}

impl AgentClient {
    fn new(ptr: *mut sys::msb_agent_t, home: Option<Home>) -> Self {
        let mut len = 0;
        // SAFETY: alive; copied.
        let ready_bytes = unsafe {
            let p = sys::msb_agent_ready_bytes(ptr, &mut len);
            ffi::bytes(p, len)
        };
        AgentClient { raw: Arc::new(Raw { ptr, ready_bytes, _home: home }) }
    }

    /// To a sandbox that runs.
    pub fn connect_sandbox(name: impl AsRef<str>) -> MicrosandboxResult<Self> {
        Self::connect_sandbox_with_timeout(name, DEFAULT_CONNECT_TIMEOUT)
    }

    /// The same with a time of one's own.
    pub fn connect_sandbox_with_timeout(
        name: impl AsRef<str>,
        timeout: Duration,
    ) -> MicrosandboxResult<Self> {
        Self::connect_in(&Home::current()?, name.as_ref(), timeout)
    }

    pub(crate) fn connect_in(
        home: &Home,
        name: &str,
        timeout: Duration,
    ) -> MicrosandboxResult<Self> {
        let name = ffi::cstring(name)?;
        // SAFETY: all are alive.
        let ptr = ffi::make(|ret, e| unsafe {
            sys::msb_agent_connect(home.ptr(), name.as_ptr(), ffi::millis(timeout), ret, e)
        })?;
        Ok(Self::new(ptr, Some(home.clone())))
    }

    /// To a socket, whichever home it belongs to.
    pub fn connect(path: impl AsRef<Path>) -> MicrosandboxResult<Self> {
        Self::connect_with_timeout(path, DEFAULT_CONNECT_TIMEOUT)
    }

    /// The same with a time of one's own.
    pub fn connect_with_timeout(
        path: impl AsRef<Path>,
        timeout: Duration,
    ) -> MicrosandboxResult<Self> {
        let path = ffi::cstring(path.as_ref())?;
        // SAFETY: all are alive.
        let ptr = ffi::make(|ret, e| unsafe {
            sys::msb_agent_connect_path(path.as_ptr(), ffi::millis(timeout), ret, e)
        })?;
        Ok(Self::new(ptr, None))
    }

    /// Ids of this client's own.
    pub fn id_range(&self) -> Range<u32> {
        let (mut first, mut end) = (0, 0);
        // SAFETY: alive.
        unsafe { sys::msb_agent_id_range(self.raw.ptr, &mut first, &mut end) };
        first..end
    }

    /// The body of `core.ready`, as it came.
    pub fn ready_bytes(&self) -> &[u8] {
        &self.raw.ready_bytes
    }

    /// The same as a message. It was checked when this client connected.
    pub fn ready(&self) -> MicrosandboxResult<Ready> {
        let message =
            Message::decode(RawFrame { id: 0, flags: 0, body: self.raw.ready_bytes.clone() })?;
        if message.message_type != MessageType::Ready {
            return Err(MicrosandboxError::protocol(format!(
                "{} instead of core.ready",
                message.message_type
            )));
        }
        message.payload()
    }

    /// Which generation of the protocol the agent has.
    pub fn generation(&self) -> u32 {
        let mut ready = sys::msb_agent_ready_t {
            struct_size: size_of::<sys::msb_agent_ready_t>(),
            boot_time_ns: 0,
            init_time_ns: 0,
            ready_time_ns: 0,
            generation: 0,
            agent_version: ptr::null(),
        };
        // SAFETY: alive.
        unsafe { sys::msb_agent_ready(self.raw.ptr, &mut ready) };
        ready.generation
    }

    /// Send a body under a fresh id, and give the first frame that answers.
    pub fn request_raw(&self, flags: u8, body: impl AsRef<[u8]>) -> MicrosandboxResult<RawFrame> {
        self.request_raw_with_timeout(flags, body, None)
    }

    /// The same; `None` waits however long it takes.
    pub fn request_raw_with_timeout(
        &self,
        flags: u8,
        body: impl AsRef<[u8]>,
        timeout: Option<Duration>,
    ) -> MicrosandboxResult<RawFrame> {
        let body = body.as_ref();
        let mut frame = RawFrame::empty();
        // SAFETY: all are alive.
        unsafe {
            ffi::call(|e| {
                sys::msb_agent_request(
                    self.raw.ptr,
                    flags,
                    body.as_ptr().cast(),
                    body.len(),
                    ffi::wait_int(timeout),
                    &mut frame,
                    e,
                )
            })?;
            Ok(RawFrame::take(frame))
        }
    }

    /// The same, where more than one frame answers.
    pub fn stream_raw(&self, flags: u8, body: impl AsRef<[u8]>) -> MicrosandboxResult<AgentStream> {
        let body = body.as_ref();
        // SAFETY: all are alive.
        let ptr = ffi::make(|ret, e| unsafe {
            sys::msb_agent_stream_open(
                self.raw.ptr,
                flags,
                body.as_ptr().cast(),
                body.len(),
                ret,
                e,
            )
        })?;
        Ok(AgentStream { ptr, _client: self.clone(), ended: false })
    }

    /// A further frame of a stream.
    pub fn send_raw(&self, id: u32, flags: u8, body: impl AsRef<[u8]>) -> MicrosandboxResult<()> {
        let body = body.as_ref();
        // SAFETY: all are alive.
        ffi::call(|e| unsafe {
            sys::msb_agent_send(self.raw.ptr, id, flags, body.as_ptr().cast(), body.len(), e)
        })
        .map(drop)
    }

    /// Send a message under a fresh id, and give the first one that answers.
    /// `core.error` is an error.
    pub fn request<T: Payload>(
        &self,
        message_type: MessageType,
        payload: &T,
    ) -> MicrosandboxResult<Message> {
        let body = Message::encode(message_type, payload)?;
        Message::decode(self.request_raw(message_type.flags(), body)?)?.checked()
    }

    /// The same, where more than one answers.
    pub fn stream<T: Payload>(
        &self,
        message_type: MessageType,
        payload: &T,
    ) -> MicrosandboxResult<MessageStream> {
        let body = Message::encode(message_type, payload)?;
        Ok(MessageStream::new(self.stream_raw(message_type.flags(), body)?))
    }

    /// A further message of a stream.
    pub fn send<T: Payload>(
        &self,
        id: u32,
        message_type: MessageType,
        payload: &T,
    ) -> MicrosandboxResult<()> {
        self.send_raw(id, message_type.flags(), Message::encode(message_type, payload)?)
    }

    /// Hang up: whoever waits gets
    /// [`AgentClosed`](MicrosandboxError::AgentClosed). May be repeated.
    pub fn close(&self) {
        // SAFETY: alive.
        unsafe { sys::msb_agent_close(self.raw.ptr) }
    }
}

impl std::fmt::Debug for AgentClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentClient").field("ids", &self.id_range()).finish()
    }
}

/// Frames that answer: an iterator, which ends behind the one with
/// [`FLAG_TERMINAL`]. Dropping it drops what still comes.
pub struct AgentStream {
    ptr: *mut sys::msb_agent_stream_t,
    _client: AgentClient,
    ended: bool,
}

// SAFETY: not bound to a thread; read by one at a time, as that needs &mut.
unsafe impl Send for AgentStream {}

impl Drop for AgentStream {
    fn drop(&mut self) {
        // SAFETY: nobody else has it; the client is still there.
        unsafe { sys::msb_agent_stream_free(self.ptr) }
    }
}

impl AgentStream {
    /// Under which its frames go.
    pub fn id(&self) -> u32 {
        // SAFETY: alive.
        unsafe { sys::msb_agent_stream_id(self.ptr) }
    }

    /// Wait for the next one; `None` at the end.
    pub fn recv(&mut self) -> MicrosandboxResult<Option<RawFrame>> {
        loop {
            let frame = self.read(-1)?;
            if frame.is_some() || self.ended {
                return Ok(frame);
            }
        }
    }

    /// The same for so long; `None` when there was nothing, too.
    pub fn recv_timeout(&mut self, timeout: Duration) -> MicrosandboxResult<Option<RawFrame>> {
        self.read(ffi::millis_int(timeout))
    }

    /// Has the last one been given?
    pub fn ended(&self) -> bool {
        self.ended
    }

    fn read(&mut self, timeout_ms: i32) -> MicrosandboxResult<Option<RawFrame>> {
        if self.ended {
            return Ok(None);
        }
        let mut frame = RawFrame::empty();
        // SAFETY: alive, and nobody else reads.
        let found = ffi::call(|e| unsafe {
            sys::msb_agent_stream_next(self.ptr, timeout_ms, &mut frame, e)
        });
        match found {
            // SAFETY: it was received.
            Ok(1) => Ok(Some(unsafe { RawFrame::take(frame) })),
            Ok(_) => {
                // SAFETY: alive.
                self.ended = unsafe { sys::msb_agent_stream_ended(self.ptr) };
                Ok(None)
            }
            Err(e) => {
                self.ended = !matches!(e, MicrosandboxError::Cancelled(_));
                Err(e)
            }
        }
    }
}

impl Iterator for AgentStream {
    type Item = MicrosandboxResult<RawFrame>;

    fn next(&mut self) -> Option<Self::Item> {
        self.recv().transpose()
    }
}

impl std::fmt::Debug for AgentStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AgentStream").field("id", &self.id()).field("ended", &self.ended).finish()
    }
}
