// SPDX-License-Identifier: Apache-2.0
//! JSON values: stored configurations come as such, and options go as such.

use crate::error::{MicrosandboxError, MicrosandboxResult};
use std::fmt;

/// How deep values may be nested.
const MAX_DEPTH: usize = 128;

/// Any JSON value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A whole number.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// Text.
    String(String),
    /// `[...]`
    Array(Vec<Value>),
    /// `{...}`, in the order in which it was written.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// An empty object.
    pub fn object() -> Self {
        Value::Object(Vec::new())
    }

    /// Read one value, and nothing after it.
    pub fn parse(text: &str) -> MicrosandboxResult<Self> {
        let mut r = Reader { text, pos: 0 };
        let value = r.value(0)?;
        r.space();
        if r.pos != text.len() {
            return Err(r.error("something follows the value"));
        }
        Ok(value)
    }

    /// A member of an object; `None` when it is missing or this is none.
    pub fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Object(map) => map.iter().rev().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }

    /// Set a member; what is not an object becomes one.
    pub fn set(&mut self, key: impl Into<String>, value: impl Into<Value>) -> &mut Self {
        *self.entry(key.into()) = value.into();
        self
    }

    /// Add to the array that a member is, or becomes.
    pub fn push(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        let member = self.entry(key.to_string());
        match member {
            Value::Array(items) => items.push(value.into()),
            other => *other = Value::Array(vec![value.into()]),
        }
        self
    }

    /// The member as an object, which it becomes if it is none.
    pub fn member(&mut self, key: &str) -> &mut Value {
        let member = self.entry(key.to_string());
        member.as_map();
        member
    }

    /// The member of that name, which is made when it is missing.
    fn entry(&mut self, key: String) -> &mut Value {
        let map = self.as_map();
        let at = map.iter().rposition(|(k, _)| *k == key).unwrap_or(map.len());
        if at == map.len() {
            map.push((key, Value::Null));
        }
        &mut map[at].1
    }

    fn as_map(&mut self) -> &mut Vec<(String, Value)> {
        if !matches!(self, Value::Object(_)) {
            *self = Value::object();
        }
        match self {
            Value::Object(map) => map,
            _ => unreachable!("was made an object"),
        }
    }

    /// Is it `null`?
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Its truth value.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// A whole number that fits.
    pub fn as_i64(&self) -> Option<i64> {
        match self {
            Value::Int(n) => i64::try_from(*n).ok(),
            _ => None,
        }
    }

    /// A whole number that fits.
    pub fn as_u64(&self) -> Option<u64> {
        match self {
            Value::Int(n) => u64::try_from(*n).ok(),
            _ => None,
        }
    }

    /// Any number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(n) => Some(*n as f64),
            Value::Float(n) => Some(*n),
            _ => None,
        }
    }

    /// Text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::String(s) => Some(s),
            _ => None,
        }
    }

    /// Items of an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Value::Array(items) => Some(items),
            _ => None,
        }
    }

    /// Members of an object.
    pub fn as_object(&self) -> Option<&[(String, Value)]> {
        match self {
            Value::Object(map) => Some(map),
            _ => None,
        }
    }
}

macro_rules! from {
    ($($from:ty => |$v:ident| $to:expr;)*) => {$(
        impl From<$from> for Value {
            fn from($v: $from) -> Self {
                $to
            }
        }
    )*};
}

from! {
    bool => |v| Value::Bool(v);
    u8 => |v| Value::Int(v.into());
    u16 => |v| Value::Int(v.into());
    u32 => |v| Value::Int(v.into());
    u64 => |v| Value::Int(v.into());
    usize => |v| Value::Int(v as i128);
    i32 => |v| Value::Int(v.into());
    i64 => |v| Value::Int(v.into());
    f64 => |v| Value::Float(v);
    &str => |v| Value::String(v.to_string());
    &String => |v| Value::String(v.clone());
    String => |v| Value::String(v);
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(items: Vec<T>) -> Self {
        Value::Array(items.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int(n) => write!(f, "{n}"),
            // JSON has no words for what is not finite.
            Value::Float(n) if !n.is_finite() => f.write_str("null"),
            Value::Float(n) => write!(f, "{n:?}"),
            Value::String(s) => quote(f, s),
            Value::Array(items) => {
                f.write_str("[")?;
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        f.write_str(",")?;
                    }
                    write!(f, "{item}")?;
                }
                f.write_str("]")
            }
            Value::Object(map) => {
                f.write_str("{")?;
                for (i, (key, value)) in map.iter().enumerate() {
                    if i > 0 {
                        f.write_str(",")?;
                    }
                    quote(f, key)?;
                    write!(f, ":{value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

fn quote(f: &mut fmt::Formatter<'_>, s: &str) -> fmt::Result {
    f.write_str("\"")?;
    let mut from = 0;
    for (i, c) in s.char_indices() {
        if c != '"' && c != '\\' && c >= ' ' {
            continue;
        }
        f.write_str(&s[from..i])?;
        from = i + c.len_utf8();
        match c {
            '"' | '\\' => write!(f, "\\{c}")?,
            _ => write!(f, "\\u{:04x}", c as u32)?,
        }
    }
    f.write_str(&s[from..])?;
    f.write_str("\"")
}

struct Reader<'a> {
    text: &'a str,
    pos: usize,
}

impl Reader<'_> {
    fn error(&self, what: &str) -> MicrosandboxError {
        MicrosandboxError::invalid(format!("JSON: {what} at byte {}", self.pos))
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.pos).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.pos += 1;
        }
    }

    fn eat(&mut self, c: u8) -> bool {
        self.space();
        let found = self.peek() == Some(c);
        self.pos += usize::from(found);
        found
    }

    fn word(&mut self, word: &str, value: Value) -> MicrosandboxResult<Value> {
        if !self.text[self.pos..].starts_with(word) {
            return Err(self.error("no value"));
        }
        self.pos += word.len();
        Ok(value)
    }

    fn value(&mut self, depth: usize) -> MicrosandboxResult<Value> {
        if depth > MAX_DEPTH {
            return Err(self.error("nested too deeply"));
        }
        self.space();
        match self.peek() {
            Some(b'{') => self.map(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Value::String),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => Err(self.error("no value")),
        }
    }

    fn array(&mut self, depth: usize) -> MicrosandboxResult<Value> {
        let mut items = Vec::new();
        self.pos += 1;
        if self.eat(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.eat(b']') {
                return Ok(Value::Array(items));
            }
            if !self.eat(b',') {
                return Err(self.error("neither \",\" nor \"]\""));
            }
        }
    }

    fn map(&mut self, depth: usize) -> MicrosandboxResult<Value> {
        let mut map = Vec::new();
        self.pos += 1;
        if self.eat(b'}') {
            return Ok(Value::Object(map));
        }
        loop {
            self.space();
            let key = self.string()?;
            if !self.eat(b':') {
                return Err(self.error("no \":\""));
            }
            map.push((key, self.value(depth + 1)?));
            if self.eat(b'}') {
                return Ok(Value::Object(map));
            }
            if !self.eat(b',') {
                return Err(self.error("neither \",\" nor \"}\""));
            }
        }
    }

    fn number(&mut self) -> MicrosandboxResult<Value> {
        let rest = &self.text[self.pos..];
        let len = rest
            .bytes()
            .take_while(|c| matches!(c, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'))
            .count();
        let number = &rest[..len];
        let digits = number.strip_prefix('-').unwrap_or(number);
        let zero =
            digits.len() > 1 && digits.starts_with('0') && digits.as_bytes()[1].is_ascii_digit();
        let value = if zero || !digits.starts_with(|c: char| c.is_ascii_digit()) {
            None
        } else if let Ok(n) = number.parse() {
            Some(Value::Int(n))
        } else {
            number.parse().ok().map(Value::Float)
        };
        let value = value.ok_or_else(|| self.error("not a number"))?;
        self.pos += len;
        Ok(value)
    }

    fn string(&mut self) -> MicrosandboxResult<String> {
        if self.peek() != Some(b'"') {
            return Err(self.error("no text"));
        }
        self.pos += 1;
        let mut out = String::new();
        loop {
            let start = self.pos;
            while matches!(self.peek(), Some(c) if c != b'"' && c != b'\\' && c >= b' ') {
                self.pos += 1;
            }
            out.push_str(&self.text[start..self.pos]);
            match self.peek() {
                Some(b'"') => {
                    self.pos += 1;
                    return Ok(out);
                }
                Some(b'\\') => {
                    self.pos += 1;
                    out.push(self.escape()?);
                }
                _ => return Err(self.error("text without an end")),
            }
        }
    }

    fn escape(&mut self) -> MicrosandboxResult<char> {
        let c = self.peek().ok_or_else(|| self.error("text without an end"))?;
        self.pos += 1;
        Ok(match c {
            b'"' | b'\\' | b'/' => c as char,
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let first = self.hex4()?;
                let mut code = first;
                if (0xd800..0xdc00).contains(&first) && self.text[self.pos..].starts_with("\\u") {
                    self.pos += 2;
                    let second = self.hex4()?;
                    if !(0xdc00..0xe000).contains(&second) {
                        return Err(self.error("half a character"));
                    }
                    code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
                }
                char::from_u32(code).ok_or_else(|| self.error("half a character"))?
            }
            _ => return Err(self.error("unknown escape")),
        })
    }

    fn hex4(&mut self) -> MicrosandboxResult<u32> {
        let digits = self.text.get(self.pos..self.pos + 4);
        let code = digits
            .filter(|d| d.bytes().all(|c| c.is_ascii_hexdigit()))
            .and_then(|d| u32::from_str_radix(d, 16).ok())
            .ok_or_else(|| self.error("not four hexadecimal digits"))?;
        self.pos += 4;
        Ok(code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let text = r#"{"a":[1,-2,18446744073709551615,1.5,true,null],"b":{"c":"\"\\\u0001é😀"}}"#;
        let value = Value::parse(text).unwrap();
        assert_eq!(value.to_string(), text);
        assert_eq!(value.get("a").unwrap().as_array().unwrap()[2].as_u64(), Some(u64::MAX));
        assert_eq!(Value::parse(r#"" \ud83d\ude00\n""#).unwrap().as_str(), Some(" 😀\n"));
    }

    #[test]
    fn refuses_what_is_not_json() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\"}",
            "01",
            "-",
            "1e",
            "\"\\x\"",
            "\"\n\"",
            "nul",
            "1 2",
            "\"\\ud800\"",
            "\"\\u12\"",
            "\"\\u+123\"",
        ] {
            assert!(Value::parse(text).is_err(), "{text}");
        }
        assert!(Value::parse(&"[".repeat(100_000)).is_err());
    }
}
