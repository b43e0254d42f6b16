// SPDX-License-Identifier: Apache-2.0
//! Messages: what a frame's body says.

use super::payload::{AgentError, Payload};
use super::{AgentStream, Cbor, RawFrame, FLAG_SESSION_START, FLAG_SHUTDOWN, FLAG_TERMINAL};
use crate::error::{MicrosandboxError, MicrosandboxResult};
use crate::ffi;
use crate::sys;
use std::fmt;
use std::mem::size_of;
use std::ptr;
use std::time::Duration;

macro_rules! types {
    ($($(#[$doc:meta])* $name:ident = $text:literal, $flags:expr;)*) => {
        /// Types of messages.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum MessageType {
            $($(#[$doc])* $name,)*
        }

        impl MessageType {
            /// All of them.
            pub const ALL: &'static [MessageType] = &[$(MessageType::$name,)*];

            /// Its name on the wire.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(MessageType::$name => $text,)*
                }
            }

            /// Flags of every frame with such a message.
            pub fn flags(self) -> u8 {
                match self {
                    $(MessageType::$name => $flags,)*
                }
            }

            /// The type of that name.
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($text => Some(MessageType::$name),)*
                    _ => None,
                }
            }
        }
    };
}

types! {
    /// The guest is ready.
    Ready = "core.ready", 0;
    /// Shut the guest down.
    Shutdown = "core.shutdown", FLAG_SHUTDOWN;
    /// A client of the relay has gone.
    ClientDisconnected = "core.relay.client.disconnected", 0;
    /// Run a command.
    ExecRequest = "core.exec.request", FLAG_SESSION_START;
    /// It runs.
    ExecStarted = "core.exec.started", 0;
    /// Its input.
    ExecStdin = "core.exec.stdin", 0;
    /// It takes no more input.
    ExecStdinError = "core.exec.stdin.error", 0;
    /// Its output.
    ExecStdout = "core.exec.stdout", 0;
    /// Its standard error.
    ExecStderr = "core.exec.stderr", 0;
    /// It has ended.
    ExecExited = "core.exec.exited", FLAG_TERMINAL;
    /// It could not be started.
    ExecFailed = "core.exec.failed", FLAG_TERMINAL;
    /// Its terminal has another size.
    ExecResize = "core.exec.resize", 0;
    /// A signal for it.
    ExecSignal = "core.exec.signal", 0;
    /// Do something with files.
    FsRequest = "core.fs.request", FLAG_SESSION_START;
    /// How that went.
    FsResponse = "core.fs.response", FLAG_TERMINAL;
    /// What is read or written.
    FsData = "core.fs.data", 0;
    /// What time it is.
    ClockSync = "core.clock.sync", 0;
    /// Connect to a port, out of the guest's view.
    TcpConnect = "core.tcp.connect", FLAG_SESSION_START;
    /// It is connected.
    TcpConnected = "core.tcp.connected", 0;
    /// What goes over it.
    TcpData = "core.tcp.data", 0;
    /// No more of that in one direction.
    TcpEof = "core.tcp.eof", 0;
    /// End it.
    TcpClose = "core.tcp.close", 0;
    /// It has ended.
    TcpClosed = "core.tcp.closed", FLAG_TERMINAL;
    /// It could not be made, or broke.
    TcpFailed = "core.tcp.failed", FLAG_TERMINAL;
    /// A message was not understood.
    Error = "core.error", FLAG_TERMINAL;
    /// Are you there?
    Ping = "core.ping", 0;
    /// Yes.
    Pong = "core.pong", FLAG_TERMINAL;
    /// The same, and count it as work.
    Touch = "core.touch", 0;
    /// Counted.
    Touched = "core.touched", FLAG_TERMINAL;
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A message that has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Which stream it is of.
    pub id: u32,
    /// Flags of its frame.
    pub flags: u8,
    /// Generation of the protocol that it was written for.
    pub version: u32,
    /// What it is.
    pub message_type: MessageType,
    /// What it says, as CBOR.
    pub bytes: Vec<u8>,
}

impl Message {
    /// A body with this message.
    pub fn encode<T: Payload>(
        message_type: MessageType,
        payload: &T,
    ) -> MicrosandboxResult<Vec<u8>> {
        let name = ffi::cstring(message_type.as_str())?;
        let payload = payload.to_cbor().encode();
        let mut body = ptr::null_mut();
        let mut len = 0;
        // SAFETY: all are alive; what is made is freed.
        unsafe {
            ffi::call(|e| {
                sys::msb_agent_encode(
                    name.as_ptr(),
                    payload.as_ptr().cast(),
                    payload.len(),
                    &mut body,
                    &mut len,
                    e,
                )
            })?;
            let copy = ffi::bytes(body, len);
            sys::msb_free(body);
            Ok(copy)
        }
    }

    /// What a frame says. A type that this crate does not know is an error.
    pub fn decode(frame: RawFrame) -> MicrosandboxResult<Self> {
        let mut m = sys::msb_agent_message_t {
            struct_size: size_of::<sys::msb_agent_message_t>(),
            version: 0,
            type_: ptr::null(),
            type_len: 0,
            payload: ptr::null(),
            payload_len: 0,
        };
        let body = &frame.body;
        // SAFETY: what is given points into the body, which outlives it.
        let (name, bytes) = unsafe {
            ffi::call(|e| sys::msb_agent_decode(body.as_ptr().cast(), body.len(), &mut m, e))?;
            (ffi::bytes(m.type_.cast(), m.type_len), ffi::bytes(m.payload, m.payload_len))
        };
        let name = String::from_utf8_lossy(&name);
        let message_type = MessageType::from_name(&name).ok_or_else(|| {
            MicrosandboxError::protocol(format!("unknown type of message {name:?}"))
        })?;
        Ok(Message { id: frame.id, flags: frame.flags, version: m.version, message_type, bytes })
    }

    /// What it says.
    pub fn payload<T: Payload>(&self) -> MicrosandboxResult<T> {
        T::from_cbor(&self.cbor()?).ok_or_else(|| {
            MicrosandboxError::protocol(format!("{} is not as it should be", self.message_type))
        })
    }

    /// The same, whatever it is.
    pub fn cbor(&self) -> MicrosandboxResult<Cbor> {
        Cbor::decode(&self.bytes)
    }

    /// Is it the last one of its stream?
    pub fn is_terminal(&self) -> bool {
        self.flags & FLAG_TERMINAL != 0
    }

    /// `core.error` as what it is.
    pub(super) fn checked(self) -> MicrosandboxResult<Self> {
        if self.message_type != MessageType::Error {
            return Ok(self);
        }
        let e: AgentError = self.payload()?;
        Err(MicrosandboxError::protocol(format!("{}: {}", e.kind, e.message)))
    }
}

/// Messages that answer: an iterator, which ends behind the last one.
#[derive(Debug)]
pub struct MessageStream(AgentStream);

impl MessageStream {
    pub(super) fn new(stream: AgentStream) -> Self {
        MessageStream(stream)
    }

    /// Under which its frames go.
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Wait for the next one; `None` at the end. `core.error` is an error.
    pub fn recv(&mut self) -> MicrosandboxResult<Option<Message>> {
        self.0.recv()?.map(|f| Message::decode(f)?.checked()).transpose()
    }

    /// The same for so long; `None` when there was nothing, too.
    pub fn recv_timeout(&mut self, timeout: Duration) -> MicrosandboxResult<Option<Message>> {
        self.0.recv_timeout(timeout)?.map(|f| Message::decode(f)?.checked()).transpose()
    }
}

impl Iterator for MessageStream {
    type Item = MicrosandboxResult<Message>;

    fn next(&mut self) -> Option<Self::Item> {
        self.recv().transpose()
    }
}
