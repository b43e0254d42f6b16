// SPDX-License-Identifier: Apache-2.0
//! Arguments of operations, and errors of drivers.

use microsandbox::json::Value;
use microsandbox::MicrosandboxError;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub enum Failure {
    /// Of the library.
    Library(MicrosandboxError),
    /// What the language cannot spell.
    Type(String),
    /// What this driver does not know.
    Driver(String),
}

impl<E: Into<MicrosandboxError>> From<E> for Failure {
    fn from(e: E) -> Self {
        Failure::Library(e.into())
    }
}

impl Failure {
    pub fn value(&self) -> Value {
        let mut v = Value::object();
        match self {
            Failure::Library(e) => {
                let mut details = Value::object();
                for (key, value) in e.details() {
                    details.set(key, value);
                }
                v.set("kind", e.kind_name())
                    .set("message", e.to_string())
                    .set("errno", e.errno().unwrap_or(0))
                    .set("details", details);
            }
            Failure::Type(message) => plain(&mut v, "type", message),
            Failure::Driver(message) => plain(&mut v, "driver", message),
        }
        v
    }
}

fn plain(v: &mut Value, kind: &str, message: &str) {
    v.set("kind", kind).set("message", message).set("errno", 0).set("details", Value::object());
}

pub type Answer<T = Value> = Result<T, Failure>;

/// An object of arguments, or of options.
#[derive(Clone, Copy)]
pub struct Args<'a>(pub &'a Value);

pub fn type_error<T>(message: impl Into<String>) -> Answer<T> {
    Err(Failure::Type(message.into()))
}

fn wrong<T>(key: &str) -> Answer<T> {
    type_error(format!("{key} is missing, or of another type"))
}

impl<'a> Args<'a> {
    pub fn get(&self, key: &str) -> Option<&'a Value> {
        self.0.get(key).filter(|v| !v.is_null())
    }

    pub fn need(&self, key: &str) -> Answer<&'a Value> {
        self.get(key).map_or_else(|| wrong(key), Ok)
    }

    pub fn text(&self, key: &str) -> Answer<&'a str> {
        as_text(self.need(key)?)
    }

    pub fn text_or(&self, key: &str) -> Answer<Option<&'a str>> {
        self.get(key).map(as_text).transpose()
    }

    pub fn int<T: TryFrom<i64>>(&self, key: &str) -> Answer<T> {
        as_int(self.need(key)?)
    }

    pub fn int_or<T: TryFrom<i64>>(&self, key: &str) -> Answer<Option<T>> {
        self.get(key).map(as_int).transpose()
    }

    pub fn flag(&self, key: &str) -> Answer<bool> {
        self.get(key).map_or(Ok(false), as_bool)
    }

    pub fn millis(&self, key: &str) -> Answer<Option<Duration>> {
        Ok(self.int_or::<u64>(key)?.map(Duration::from_millis))
    }

    pub fn time(&self, key: &str) -> Answer<Option<SystemTime>> {
        Ok(match self.get(key) {
            Some(Value::Int(ms)) => Some(UNIX_EPOCH + Duration::from_millis(*ms as u64)),
            Some(v) => v.as_f64().map(|ms| UNIX_EPOCH + Duration::from_secs_f64(ms / 1e3)),
            None => None,
        })
    }

    pub fn texts(&self, key: &str) -> Answer<Vec<String>> {
        self.get(key).map_or_else(|| Ok(Vec::new()), as_texts)
    }

    pub fn pairs(&self, key: &str) -> Answer<Vec<(String, String)>> {
        self.get(key).map_or_else(|| Ok(Vec::new()), as_pairs)
    }

    pub fn bytes(&self, key: &str) -> Answer<Vec<u8>> {
        to_bytes(self.need(key)?)
    }
}

pub fn as_text(v: &Value) -> Answer<&str> {
    v.as_str().map_or_else(|| type_error(format!("{v} is not a text")), Ok)
}

pub fn as_bool(v: &Value) -> Answer<bool> {
    v.as_bool().map_or_else(|| type_error(format!("{v} is not a truth value")), Ok)
}

pub fn as_int<T: TryFrom<i64>>(v: &Value) -> Answer<T> {
    v.as_i64()
        .and_then(|n| T::try_from(n).ok())
        .map_or_else(|| type_error(format!("{v} is not such a number")), Ok)
}

pub fn as_texts(v: &Value) -> Answer<Vec<String>> {
    v.as_array()
        .map_or_else(|| type_error(format!("{v} is not a list")), Ok)?
        .iter()
        .map(|t| as_text(t).map(str::to_string))
        .collect()
}

pub fn as_pairs(v: &Value) -> Answer<Vec<(String, String)>> {
    v.as_object()
        .map_or_else(|| type_error(format!("{v} is not an object")), Ok)?
        .iter()
        .map(|(k, v)| Ok((k.clone(), as_text(v)?.to_string())))
        .collect()
}

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub fn from_bytes(data: &[u8]) -> Value {
    let mut out = String::new();
    for chunk in data.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for i in 0..4 {
            let digit = DIGITS[(n >> (18 - 6 * i)) as usize & 63];
            out.push(if i > chunk.len() { '=' } else { digit as char });
        }
    }
    let mut v = Value::object();
    v.set("b64", out);
    v
}

/// Bytes, or text as its UTF-8.
pub fn to_bytes(v: &Value) -> Answer<Vec<u8>> {
    if let Some(text) = v.as_str() {
        return Ok(text.into());
    }
    decode(Args(v).text("b64")?)
}

pub fn decode(text: &str) -> Answer<Vec<u8>> {
    let mut out = Vec::new();
    let (mut n, mut bits) = (0u32, 0);
    for c in text.bytes().filter(|c| *c != b'=') {
        match DIGITS.iter().position(|d| *d == c) {
            Some(digit) => n = n << 6 | digit as u32,
            None => return type_error("not Base64"),
        }
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            out.push((n >> bits) as u8);
        }
    }
    Ok(out)
}

pub fn millis_of(t: SystemTime) -> Value {
    let d = t.duration_since(UNIX_EPOCH).unwrap_or_default();
    if d.subsec_nanos() % 1_000_000 == 0 {
        (d.as_millis() as u64).into()
    } else {
        (d.as_secs_f64() * 1e3).into()
    }
}
