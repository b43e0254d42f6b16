// SPDX-License-Identifier: Apache-2.0
//! Secrets that the guest uses and never sees.

use crate::json::Value;
use crate::options::Options;
use std::path::Path;

/// What becomes of a request with a placeholder that may not go there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ViolationAction {
    /// It is refused.
    Block,
    /// It is refused, and the sandbox's log says so. The default.
    BlockAndLog,
    /// It is refused, and the sandbox is stopped.
    BlockAndTerminate,
    /// To these hosts (`NAME`, `*.NAME`, `*`) it goes as it is, with the
    /// placeholder; to others as with `BlockAndLog`.
    Passthrough(Vec<String>),
}

impl From<ViolationAction> for Value {
    fn from(action: ViolationAction) -> Self {
        match action {
            ViolationAction::Block => "block".into(),
            ViolationAction::BlockAndLog => "block-and-log".into(),
            ViolationAction::BlockAndTerminate => "block-and-terminate".into(),
            ViolationAction::Passthrough(hosts) => {
                let mut v = Value::object();
                v.set("passthrough", hosts);
                v
            }
        }
    }
}

/// Puts a secret together. It needs a variable, a value and a host; without one
/// of them, creating the sandbox is an error.
#[derive(Debug, Clone)]
pub struct SecretBuilder {
    pub(crate) options: Options,
}

impl SecretBuilder {
    pub(crate) fn new() -> Self {
        SecretBuilder { options: Options::new() }
    }

    fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.options.set(key, value);
        self
    }

    fn inject(mut self, place: &str, on: bool) -> Self {
        self.options.value.member("inject").set(place, on);
        self
    }

    /// The guest's environment variable, which has the placeholder.
    pub fn env(self, name: impl AsRef<str>) -> Self {
        self.set("env", name.as_ref())
    }

    /// The value itself. It is kept in a file of the sandbox's, for later
    /// starts.
    pub fn value(self, value: impl AsRef<str>) -> Self {
        self.set("value", value.as_ref())
    }

    /// Instead: from this variable of whoever starts the sandbox.
    pub fn from_env(self, name: impl AsRef<str>) -> Self {
        self.set("from_env", name.as_ref())
    }

    /// Instead: from this file, at each start.
    pub fn from_file(mut self, path: impl AsRef<Path>) -> Self {
        self.options.set_text("from_file", path.as_ref());
        self
    }

    /// What the guest has instead of the value; without, `$MSB_` and the name.
    pub fn placeholder(self, text: impl AsRef<str>) -> Self {
        self.set("placeholder", text.as_ref())
    }

    /// A host that is given the value.
    pub fn allow_host(mut self, host: impl AsRef<str>) -> Self {
        self.options.value.push("hosts", host.as_ref());
        self
    }

    /// `*.NAME`: a host and all below it.
    pub fn allow_host_pattern(mut self, pattern: impl AsRef<str>) -> Self {
        self.options.value.push("host_patterns", pattern.as_ref());
        self
    }

    /// Every host is given the value: then the guest can read it.
    pub fn allow_any_host_dangerous(self, on: bool) -> Self {
        self.set("allow_any_host", on)
    }

    /// Only over TLS with a verified server, unless this is `false`.
    pub fn require_tls_identity(self, on: bool) -> Self {
        self.set("require_tls", on)
    }

    /// In the lines of headers; on by default.
    pub fn inject_headers(self, on: bool) -> Self {
        self.inject("headers", on)
    }

    /// In Basic credentials; on by default.
    pub fn inject_basic_auth(self, on: bool) -> Self {
        self.inject("basic_auth", on)
    }

    /// In the query of the address.
    pub fn inject_query(self, on: bool) -> Self {
        self.inject("query", on)
    }

    /// In the body of requests.
    pub fn inject_body(self, on: bool) -> Self {
        self.inject("body", on)
    }

    /// What becomes of this one where it may not go.
    pub fn on_violation(self, action: ViolationAction) -> Self {
        self.set("on_violation", action)
    }
}
