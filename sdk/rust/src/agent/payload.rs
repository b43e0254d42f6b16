// SPDX-License-Identifier: Apache-2.0
//! What messages say: one structure for each, in the protocol's order of keys.

use super::Cbor;

/// Something that a message may say.
pub trait Payload: Sized {
    /// As CBOR.
    fn to_cbor(&self) -> Cbor;
    /// From CBOR; `None` when a key is missing or has another type. Keys that
    /// are not known are ignored.
    fn from_cbor(item: &Cbor) -> Option<Self>;
}

impl Payload for Cbor {
    fn to_cbor(&self) -> Cbor {
        self.clone()
    }
    fn from_cbor(item: &Cbor) -> Option<Self> {
        Some(item.clone())
    }
}

/// A value within a payload.
pub(super) trait Field: Sized {
    fn put(&self) -> Cbor;
    fn get(item: Option<&Cbor>) -> Option<Self>;
}

macro_rules! int_fields {
    ($($int:ty)*) => {$(
        impl Field for $int {
            fn put(&self) -> Cbor {
                (*self).into()
            }
            fn get(item: Option<&Cbor>) -> Option<Self> {
                item?.as_int()
            }
        }
    )*};
}

int_fields! { u16 u32 u64 i32 i64 }

impl Field for bool {
    fn put(&self) -> Cbor {
        (*self).into()
    }
    fn get(item: Option<&Cbor>) -> Option<Self> {
        item?.as_bool()
    }
}

impl Field for String {
    fn put(&self) -> Cbor {
        self.into()
    }
    fn get(item: Option<&Cbor>) -> Option<Self> {
        item?.as_text().map(str::to_string)
    }
}

/// Bytes go as such, not as a list of numbers.
impl Field for Vec<u8> {
    fn put(&self) -> Cbor {
        self.as_slice().into()
    }
    fn get(item: Option<&Cbor>) -> Option<Self> {
        match item? {
            Cbor::Bytes(b) => Some(b.clone()),
            Cbor::Array(items) => items.iter().map(Cbor::as_int).collect(),
            _ => None,
        }
    }
}

impl<T: Field> Field for Option<T> {
    fn put(&self) -> Cbor {
        self.as_ref().map_or(Cbor::Null, Field::put)
    }
    fn get(item: Option<&Cbor>) -> Option<Self> {
        match item {
            None | Some(Cbor::Null) => Some(None),
            some => T::get(some).map(Some),
        }
    }
}

macro_rules! list_fields {
    ($($item:ty)*) => {$(
        impl Field for Vec<$item> {
            fn put(&self) -> Cbor {
                Cbor::Array(self.iter().map(Field::put).collect())
            }
            fn get(item: Option<&Cbor>) -> Option<Self> {
                match item {
                    None => Some(Vec::new()),
                    Some(list) => {
                        list.as_array()?.iter().map(|i| <$item>::get(Some(i))).collect()
                    }
                }
            }
        }
    )*};
}
pub(super) use list_fields;

list_fields! { String ExecRlimit }

macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident { $($(#[$fdoc:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct $name {
            $($(#[$fdoc])* pub $field: $type,)*
        }

        impl $crate::agent::payload::Payload for $name {
            fn to_cbor(&self) -> Cbor {
                Cbor::map([$((stringify!($field), Field::put(&self.$field)),)*])
            }
            fn from_cbor(item: &Cbor) -> Option<Self> {
                Some($name { $($field: Field::get(item.get(stringify!($field)))?,)* })
            }
        }

        impl Field for $name {
            fn put(&self) -> Cbor {
                $crate::agent::payload::Payload::to_cbor(self)
            }
            fn get(item: Option<&Cbor>) -> Option<Self> {
                $crate::agent::payload::Payload::from_cbor(item?)
            }
        }
    )*};
}
pub(super) use payloads;

payloads! {
    /// The guest is ready.
    Ready {
        /// When the agent started, on the clock of the guest's boot.
        boot_time_ns: u64,
        /// How long it took to set the guest up.
        init_time_ns: u64,
        /// When it was ready.
        ready_time_ns: u64,
        /// Which agent it is.
        agent_version: Option<String>,
    }
    /// A client of the relay has gone.
    ClientDisconnected {
        /// The first of its ids.
        id_start: u32,
        /// The first that is not.
        id_end_exclusive: u32,
    }
    /// What time it is.
    ClockSync {
        /// Since 1970.
        unix_time_nanos: u64,
    }
    /// Counted.
    Touched {
        /// How much work there was so far.
        activity_seq: u64,
    }
    /// A message was not understood.
    AgentError {
        /// `malformed_message`, `unsupported_message_type`, ...
        kind: String,
        /// In words.
        message: String,
        /// Type of the message in question.
        offending_type: Option<String>,
    }
    /// A limit of a command.
    ExecRlimit {
        /// `nofile`, ...
        resource: String,
        /// What applies.
        soft: u64,
        /// How far it may be raised.
        hard: u64,
    }
    /// It runs.
    ExecStarted {
        /// As this process.
        pid: u32,
    }
    /// Input of a command; nothing: its end.
    ExecStdin {
        /// Any bytes.
        data: Vec<u8>,
    }
    /// What a command wrote.
    ExecOutputData {
        /// Any bytes.
        data: Vec<u8>,
    }
    /// It takes no more input.
    ExecStdinError {
        /// Number of the error.
        errno: Option<i32>,
        /// Its name.
        errno_name: Option<String>,
        /// In words.
        message: String,
    }
    /// It has ended.
    ExecExited {
        /// -1 when a signal ended it.
        code: i32,
        /// That signal.
        signal: Option<i32>,
    }
    /// It could not be started.
    ExecFailed {
        /// `not_found`, ...
        kind: String,
        /// Number of the error.
        errno: Option<i32>,
        /// Its name.
        errno_name: Option<String>,
        /// In words.
        message: String,
        /// What the guest was doing.
        stage: Option<String>,
    }
    /// Its terminal has another size.
    ExecResize {
        /// Lines.
        rows: u16,
        /// Characters in each.
        cols: u16,
    }
    /// A signal for it.
    ExecSignal {
        /// Its number.
        signal: i32,
    }
    /// Connect to a port.
    TcpConnect {
        /// Whose.
        host: String,
        /// Which.
        port: u16,
    }
    /// What goes over a connection.
    TcpData {
        /// Any bytes.
        data: Vec<u8>,
    }
    /// A connection could not be made, or broke.
    TcpFailed {
        /// In words.
        error: String,
    }
}

/// Says nothing: `{}`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Empty;

impl Payload for Empty {
    fn to_cbor(&self) -> Cbor {
        Cbor::Map(Vec::new())
    }
    fn from_cbor(item: &Cbor) -> Option<Self> {
        matches!(item, Cbor::Map(_) | Cbor::Null).then(|| Empty)
    }
}

/// Run a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecRequest {
    /// The program.
    pub cmd: String,
    /// Its arguments, without its own name.
    pub args: Vec<String>,
    /// Its environment: `KEY=VALUE`.
    pub env: Vec<String>,
    /// Directory it starts in.
    pub cwd: Option<String>,
    /// Who runs it.
    pub user: Option<String>,
    /// Does it have a terminal?
    pub tty: bool,
    /// Lines of that.
    pub rows: u16,
    /// Characters in each.
    pub cols: u16,
    /// Its limits.
    pub rlimits: Vec<ExecRlimit>,
}

impl ExecRequest {
    /// This program, with these arguments.
    pub fn new<I>(cmd: impl Into<String>, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        ExecRequest {
            cmd: cmd.into(),
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            cwd: None,
            user: None,
            tty: false,
            rows: 24,
            cols: 80,
            rlimits: Vec::new(),
        }
    }
}

impl Payload for ExecRequest {
    fn to_cbor(&self) -> Cbor {
        Cbor::map([
            ("cmd", self.cmd.put()),
            ("args", self.args.put()),
            ("env", self.env.put()),
            ("cwd", self.cwd.put()),
            ("user", self.user.put()),
            ("tty", self.tty.put()),
            ("rows", self.rows.put()),
            ("cols", self.cols.put()),
            ("rlimits", self.rlimits.put()),
        ])
    }

    fn from_cbor(item: &Cbor) -> Option<Self> {
        // What is missing has a default here.
        let or = |key, default| Option::get(item.get(key)).map(|v| v.unwrap_or(default));
        Some(ExecRequest {
            cmd: Field::get(item.get("cmd"))?,
            args: Field::get(item.get("args"))?,
            env: Field::get(item.get("env"))?,
            cwd: Field::get(item.get("cwd"))?,
            user: Field::get(item.get("user"))?,
            tty: Option::get(item.get("tty"))?.unwrap_or(false),
            rows: or("rows", 24)?,
            cols: or("cols", 80)?,
            rlimits: Field::get(item.get("rlimits"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_come_back_as_they_went() {
        let request = ExecRequest {
            cwd: Some("/".into()),
            rlimits: vec![ExecRlimit { resource: "nofile".into(), soft: 1, hard: u64::MAX }],
            ..ExecRequest::new("true", ["x"])
        };
        assert_eq!(ExecRequest::from_cbor(&request.to_cbor()), Some(request));
        let least = Cbor::map([("cmd", "true".into())]);
        let none: [&str; 0] = [];
        assert_eq!(ExecRequest::from_cbor(&least), Some(ExecRequest::new("true", none)));
        let exited = ExecExited { code: -1, signal: Some(9) };
        assert_eq!(ExecExited::from_cbor(&exited.to_cbor()), Some(exited));
        assert_eq!(ExecExited::from_cbor(&Cbor::map([("code", "0".into())])), None);
        let list = Cbor::map([("data", Cbor::Array(vec![Cbor::Int(7)]))]);
        assert_eq!(ExecStdin::from_cbor(&list), Some(ExecStdin { data: vec![7] }));
    }
}
