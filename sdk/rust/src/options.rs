// SPDX-License-Identifier: Apache-2.0
//! What a builder gathers: one JSON object, which the library checks.

use crate::error::{MicrosandboxError, MicrosandboxResult};
use crate::json::Value;
use std::ffi::OsStr;

/// Options so far, or what was wrong with the first of them that cannot even be
/// written down.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) value: Value,
    pub(crate) error: Option<MicrosandboxError>,
}

impl Options {
    pub(crate) fn new() -> Self {
        Options { value: Value::object(), error: None }
    }

    pub(crate) fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.value.set(key, value);
    }

    /// Text of the operating system, which has to be UTF-8 here.
    pub(crate) fn text(&mut self, s: impl AsRef<OsStr>) -> Value {
        let s = s.as_ref();
        match s.to_str() {
            Some(s) => s.into(),
            None => {
                let e = MicrosandboxError::invalid(format!("{s:?} is not UTF-8"));
                self.error.get_or_insert(e);
                Value::Null
            }
        }
    }

    pub(crate) fn set_text(&mut self, key: &str, s: impl AsRef<OsStr>) {
        let value = self.text(s);
        self.set(key, value);
    }

    pub(crate) fn texts<I>(&mut self, items: I) -> Value
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        Value::Array(items.into_iter().map(|s| self.text(s)).collect())
    }

    /// Take over the options of a nested builder.
    pub(crate) fn nested(&mut self, inner: Options) -> Value {
        if let Some(e) = inner.error {
            self.error.get_or_insert(e);
        }
        inner.value
    }

    pub(crate) fn finish(self) -> MicrosandboxResult<Value> {
        match self.error {
            Some(e) => Err(e),
            None => Ok(self.value),
        }
    }
}

/// An enumeration whose values have names of their own in JSON.
macro_rules! named {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
        }

        impl $name {
            /// Its name, as the library writes it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $text,)*
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::MicrosandboxError;

            fn from_str(s: &str) -> Result<Self, Self::Err> {
                match s {
                    $($text => Ok($name::$variant),)*
                    _ => Err($crate::MicrosandboxError::invalid(format!(
                        concat!("{:?} is not a ", stringify!($name)), s
                    ))),
                }
            }
        }

        impl From<$name> for $crate::json::Value {
            fn from(v: $name) -> Self {
                v.as_str().into()
            }
        }
    };
}
pub(crate) use named;
