// SPDX-License-Identifier: Apache-2.0
//! CBOR (RFC 8949), as far as the agent's protocol uses it.

use crate::error::{MicrosandboxError, MicrosandboxResult};

/// How deep values may be nested.
const MAX_DEPTH: usize = 16;

/// A CBOR item.
#[derive(Debug, Clone, PartialEq)]
pub enum Cbor {
    /// A whole number; on the wire, from -2^64 to 2^64-1.
    Int(i128),
    /// Bytes.
    Bytes(Vec<u8>),
    /// Text.
    Text(String),
    /// A list.
    Array(Vec<Cbor>),
    /// Pairs, in their order.
    Map(Vec<(Cbor, Cbor)>),
    /// `true` or `false`.
    Bool(bool),
    /// `null`, or undefined.
    Null,
    /// Any other number.
    Float(f64),
}

macro_rules! from {
    ($($from:ty => |$v:ident| $to:expr;)*) => {$(
        impl From<$from> for Cbor {
            fn from($v: $from) -> Self {
                $to
            }
        }
    )*};
}

from! {
    bool => |v| Cbor::Bool(v);
    u16 => |v| Cbor::Int(v.into());
    u32 => |v| Cbor::Int(v.into());
    u64 => |v| Cbor::Int(v.into());
    i32 => |v| Cbor::Int(v.into());
    i64 => |v| Cbor::Int(v.into());
    &str => |v| Cbor::Text(v.to_string());
    String => |v| Cbor::Text(v);
    &String => |v| Cbor::Text(v.clone());
    Vec<u8> => |v| Cbor::Bytes(v);
    &[u8] => |v| Cbor::Bytes(v.to_vec());
    Vec<Cbor> => |v| Cbor::Array(v);
}

impl<T: Into<Cbor>> From<Option<T>> for Cbor {
    fn from(v: Option<T>) -> Self {
        v.map_or(Cbor::Null, Into::into)
    }
}

impl Cbor {
    /// A map with text for keys.
    pub fn map<'a>(pairs: impl IntoIterator<Item = (&'a str, Cbor)>) -> Self {
        Cbor::Map(pairs.into_iter().map(|(k, v)| (k.into(), v)).collect())
    }

    /// What a map has under a text; the last one, if there are several.
    pub fn get(&self, key: &str) -> Option<&Cbor> {
        match self {
            Cbor::Map(pairs) => pairs
                .iter()
                .rev()
                .find(|(k, _)| matches!(k, Cbor::Text(t) if t == key))
                .map(|(_, v)| v),
            _ => None,
        }
    }

    /// A number that fits.
    pub fn as_int<T: TryFrom<i128>>(&self) -> Option<T> {
        match self {
            Cbor::Int(n) => T::try_from(*n).ok(),
            _ => None,
        }
    }

    /// Text.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Cbor::Text(t) => Some(t),
            _ => None,
        }
    }

    /// Bytes.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Cbor::Bytes(b) => Some(b),
            _ => None,
        }
    }

    /// A truth value.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Cbor::Bool(b) => Some(*b),
            _ => None,
        }
    }

    /// Items of a list.
    pub fn as_array(&self) -> Option<&[Cbor]> {
        match self {
            Cbor::Array(items) => Some(items),
            _ => None,
        }
    }

    /// As it goes over the wire: definite lengths, shortest heads.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Cbor::Int(n) if *n >= 0 => head(out, 0, clamp(*n)),
            Cbor::Int(n) => head(out, 1, clamp(-1 - *n)),
            Cbor::Bytes(b) => {
                head(out, 2, b.len() as u64);
                out.extend_from_slice(b);
            }
            Cbor::Text(t) => {
                head(out, 3, t.len() as u64);
                out.extend_from_slice(t.as_bytes());
            }
            Cbor::Array(items) => {
                head(out, 4, items.len() as u64);
                items.iter().for_each(|i| i.write(out));
            }
            Cbor::Map(pairs) => {
                head(out, 5, pairs.len() as u64);
                for (k, v) in pairs {
                    k.write(out);
                    v.write(out);
                }
            }
            Cbor::Bool(b) => out.push(0xf4 | u8::from(*b)),
            Cbor::Null => out.push(0xf6),
            Cbor::Float(f) => {
                out.push(0xfb);
                out.extend_from_slice(&f.to_be_bytes());
            }
        }
    }

    /// Read one item, and nothing after it.
    pub fn decode(data: &[u8]) -> MicrosandboxResult<Cbor> {
        let mut r = Reader { data };
        let item = r.item(0)?;
        if !r.data.is_empty() {
            return Err(bad("something follows the item"));
        }
        Ok(item)
    }
}

fn clamp(n: i128) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn head(out: &mut Vec<u8>, major: u8, n: u64) {
    let major = major << 5;
    if n < 24 {
        out.push(major | n as u8);
    } else if n <= 0xff {
        out.extend_from_slice(&[major | 24, n as u8]);
    } else if n <= 0xffff {
        out.push(major | 25);
        out.extend_from_slice(&(n as u16).to_be_bytes());
    } else if n <= 0xffff_ffff {
        out.push(major | 26);
        out.extend_from_slice(&(n as u32).to_be_bytes());
    } else {
        out.push(major | 27);
        out.extend_from_slice(&n.to_be_bytes());
    }
}

fn bad(what: &str) -> MicrosandboxError {
    MicrosandboxError::protocol(format!("malformed CBOR: {what}"))
}

struct Reader<'a> {
    data: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, n: usize) -> MicrosandboxResult<&'a [u8]> {
        if n > self.data.len() {
            return Err(bad("it ends too early"));
        }
        let (taken, rest) = self.data.split_at(n);
        self.data = rest;
        Ok(taken)
    }

    fn number(&mut self, bytes: usize) -> MicrosandboxResult<u64> {
        Ok(self.take(bytes)?.iter().fold(0, |n, b| n << 8 | u64::from(*b)))
    }

    /// Major type, additional information, and the number; `None` of an
    /// indefinite length.
    fn head(&mut self) -> MicrosandboxResult<(u8, u8, Option<u64>)> {
        let first = self.take(1)?[0];
        let (major, info) = (first >> 5, first & 31);
        let n = match info {
            0..=23 => Some(u64::from(info)),
            24..=27 => Some(self.number(1 << (info - 24))?),
            31 if (2..=5).contains(&major) || major == 7 => None,
            _ => return Err(bad("reserved head")),
        };
        Ok((major, info, n))
    }

    fn at_break(&mut self) -> bool {
        let found = self.data.first() == Some(&0xff);
        if found {
            self.data = &self.data[1..];
        }
        found
    }

    /// Is there one more of `left`, or (`None`) of those before the break?
    fn more(&mut self, left: &mut Option<u64>) -> bool {
        match left {
            Some(0) => false,
            Some(n) => {
                *n -= 1;
                true
            }
            None => !self.at_break(),
        }
    }

    fn string(&mut self, major: u8, n: Option<u64>) -> MicrosandboxResult<Vec<u8>> {
        let len = |n| usize::try_from(n).map_err(|_| bad("it ends too early"));
        if let Some(n) = n {
            return Ok(self.take(len(n)?)?.to_vec());
        }
        let mut all = Vec::new();
        while !self.at_break() {
            match self.head()? {
                (m, _, Some(n)) if m == major => all.extend_from_slice(self.take(len(n)?)?),
                _ => return Err(bad("a piece of another type")),
            }
        }
        Ok(all)
    }

    fn item(&mut self, depth: usize) -> MicrosandboxResult<Cbor> {
        if depth > MAX_DEPTH {
            return Err(bad("nested too deeply"));
        }
        let (major, info, mut n) = self.head()?;
        Ok(match (major, n) {
            (0, Some(n)) => Cbor::Int(n.into()),
            (1, Some(n)) => Cbor::Int(-1 - i128::from(n)),
            (2, n) => Cbor::Bytes(self.string(2, n)?),
            (3, n) => Cbor::Text(
                String::from_utf8(self.string(3, n)?).map_err(|_| bad("text is not UTF-8"))?,
            ),
            (4, _) => {
                let mut items = Vec::new();
                while self.more(&mut n) {
                    items.push(self.item(depth + 1)?);
                }
                Cbor::Array(items)
            }
            (5, _) => {
                let mut pairs = Vec::new();
                while self.more(&mut n) {
                    let key = self.item(depth + 1)?;
                    pairs.push((key, self.item(depth + 1)?));
                }
                Cbor::Map(pairs)
            }
            (6, Some(_)) => self.item(depth + 1)?,
            (7, Some(n)) => simple(info, n)?,
            _ => return Err(bad("a break out of place")),
        })
    }
}

fn simple(info: u8, n: u64) -> MicrosandboxResult<Cbor> {
    Ok(match info {
        20 => Cbor::Bool(false),
        21 => Cbor::Bool(true),
        22 | 23 => Cbor::Null,
        25 => Cbor::Float(half(n as u16)),
        26 => Cbor::Float(f32::from_bits(n as u32).into()),
        27 => Cbor::Float(f64::from_bits(n)),
        _ => return Err(bad("unknown simple value")),
    })
}

/// A number of 16 bits: 5 of exponent, 10 of mantissa.
fn half(bits: u16) -> f64 {
    let mantissa = f64::from(bits & 0x3ff);
    let value = match bits >> 10 & 0x1f {
        0 => mantissa * 2f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        e => (mantissa + 1024.0) * 2f64.powi(i32::from(e) - 25),
    };
    if bits & 0x8000 != 0 {
        -value
    } else {
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(s: &str) -> Vec<u8> {
        (0..s.len()).step_by(2).map(|i| u8::from_str_radix(&s[i..i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn vectors_of_rfc_8949() {
        for (bytes, item) in [
            ("00", Cbor::Int(0)),
            ("17", Cbor::Int(23)),
            ("1818", Cbor::Int(24)),
            ("1903e8", Cbor::Int(1000)),
            ("1a000f4240", Cbor::Int(1_000_000)),
            ("1bffffffffffffffff", Cbor::Int(u64::MAX.into())),
            ("3bffffffffffffffff", Cbor::Int(-1 - i128::from(u64::MAX))),
            ("20", Cbor::Int(-1)),
            ("3903e7", Cbor::Int(-1000)),
            ("f4", Cbor::Bool(false)),
            ("f5", Cbor::Bool(true)),
            ("f6", Cbor::Null),
            ("4401020304", Cbor::Bytes(vec![1, 2, 3, 4])),
            ("62c3bc", Cbor::Text("ü".into())),
            ("83010203", Cbor::Array(vec![Cbor::Int(1), Cbor::Int(2), Cbor::Int(3)])),
            ("a1616101", Cbor::map([("a", Cbor::Int(1))])),
            ("fb3ff199999999999a", Cbor::Float(1.1)),
        ] {
            assert_eq!(Cbor::decode(&hex(bytes)).unwrap(), item);
            assert_eq!(item.encode(), hex(bytes));
        }
        for (bytes, item) in [
            ("f93e00", Cbor::Float(1.5)),
            ("f9c400", Cbor::Float(-4.0)),
            ("f90001", Cbor::Float(5.960464477539063e-8)),
            ("fa47c35000", Cbor::Float(100_000.0)),
            ("5f42010243030405ff", Cbor::Bytes(vec![1, 2, 3, 4, 5])),
            ("7f657374726561646d696e67ff", Cbor::Text("streaming".into())),
            ("9f01ff", Cbor::Array(vec![Cbor::Int(1)])),
            ("bf616101ff", Cbor::map([("a", Cbor::Int(1))])),
            ("c11a514b67b0", Cbor::Int(1_363_896_240)),
        ] {
            assert_eq!(Cbor::decode(&hex(bytes)).unwrap(), item, "{bytes}");
        }
    }

    #[test]
    fn refuses_what_is_malformed() {
        for bytes in [
            "",
            "18",
            "1900",
            "5b00",
            "5bffffffffffffffff00",
            "62c3",
            "61ff",
            "9f",
            "a1",
            "a101",
            "ff",
            "1c",
            "0000",
            "5f6161ff",
            "f8ff",
        ] {
            assert!(Cbor::decode(&hex(bytes)).is_err(), "{bytes}");
        }
        assert!(Cbor::decode(&[0x81; 100]).is_err());
        assert!(Cbor::decode(&hex("9bffffffffffffffff")).is_err());
    }
}
