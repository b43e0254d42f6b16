// SPDX-License-Identifier: Apache-2.0
//! What messages about files say.

use super::payload::{list_fields, payloads, Field, Payload};
use super::Cbor;

payloads! {
    /// What is read or written; nothing: its end.
    FsData {
        /// At most 3 MiB.
        data: Vec<u8>,
    }
    /// What is known of a file.
    FsInfo {
        /// As it was asked for, or within the directory that was.
        path: String,
        /// `file`, `dir`, `symlink` or `other`.
        kind: String,
        /// How many bytes it has.
        size: u64,
        /// Its mode, with the bits of its kind.
        mode: u32,
        /// When it changed.
        modified: Option<i64>,
        /// Whose it is.
        uid: u32,
        /// Whose group's it is.
        gid: u32,
        /// When it was read.
        atime: Option<i64>,
        /// When it changed.
        mtime: Option<i64>,
    }
    /// What is to be changed of a file.
    FsAttrs {
        /// Permission bits.
        mode: Option<u32>,
        /// Owner.
        uid: Option<u32>,
        /// Group.
        gid: Option<u32>,
        /// Length.
        size: Option<u64>,
        /// When it was read.
        atime: Option<i64>,
        /// When it changed.
        mtime: Option<i64>,
    }
    /// How a file is opened.
    FsOpen {
        /// To be read.
        read: bool,
        /// To be written.
        write: bool,
        /// At its end.
        append: bool,
        /// Made when it is missing.
        create: bool,
        /// Emptied.
        truncate: bool,
        /// It must be missing.
        create_new: bool,
        /// Permission bits of one that is made.
        mode: Option<u32>,
    }
}

list_fields! { FsInfo }

macro_rules! ops {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* })*) => {
        /// What is to be done with files.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[allow(missing_docs)]
        #[non_exhaustive]
        pub enum FsOp {
            $($(#[$doc])* $name { $($field: $type,)* },)*
        }

        impl FsOp {
            fn put(&self) -> Cbor {
                match self {
                    $(FsOp::$name { $($field,)* } => Cbor::map([(
                        stringify!($name),
                        Cbor::map([$((stringify!($field), Field::put($field)),)*]),
                    )]),)*
                }
            }

            fn get(item: &Cbor) -> Option<Self> {
                $(if let Some(fields) = item.get(stringify!($name)) {
                    return Some(FsOp::$name {
                        $($field: Field::get(fields.get(stringify!($field)))?,)*
                    });
                })*
                None
            }
        }
    };
}

ops! {
    /// The path without symbolic links.
    RealPath { path: String, }
    /// What is known of a file.
    Stat { path: String, follow_symlink: bool, }
    /// Change that.
    SetStat { path: String, follow_symlink: bool, attrs: FsAttrs, }
    /// What a directory holds.
    List { path: String, }
    /// Where a link leads.
    ReadLink { path: String, }
    /// Make a link.
    Symlink { target: String, link_path: String, }
    /// Make a directory.
    Mkdir { path: String, mode: Option<u32>, }
    /// Remove a file.
    Remove { path: String, }
    /// Remove a directory.
    RemoveDir { path: String, recursive: bool, }
    /// Copy a file.
    Copy { src: String, dst: String, }
    /// Give it another name.
    Rename { src: String, dst: String, }
    /// Open a file.
    OpenFile { path: String, options: FsOpen, }
    /// Open a directory.
    OpenDir { path: String, }
    /// Close either.
    CloseHandle { handle: u64, }
    /// Read from a file.
    Read { handle: u64, offset: u64, len: Option<u64>, }
    /// Write to a file; data follow.
    Write { handle: u64, offset: u64, len: Option<u64>, }
    /// Read some of a directory.
    ReadDir { handle: u64, limit: Option<u32>, }
    /// What is known of an open file.
    FStat { handle: u64, }
    /// Change that.
    FSetStat { handle: u64, attrs: FsAttrs, }
}

/// Do something with files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FsRequest {
    /// What.
    pub op: FsOp,
}

impl Payload for FsRequest {
    fn to_cbor(&self) -> Cbor {
        Cbor::map([("op", self.op.put())])
    }
    fn from_cbor(item: &Cbor) -> Option<Self> {
        Some(FsRequest { op: FsOp::get(item.get("op")?)? })
    }
}

/// What an operation gives.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FsResponseData {
    /// What is known of a file.
    Stat(FsInfo),
    /// What a directory holds.
    List(Vec<FsInfo>),
    /// An open file or directory.
    Handle(u64),
    /// A path.
    Path(String),
}

impl Field for FsResponseData {
    fn put(&self) -> Cbor {
        match self {
            FsResponseData::Stat(info) => Cbor::map([("Stat", info.put())]),
            FsResponseData::List(all) => Cbor::map([("List", all.put())]),
            FsResponseData::Handle(n) => Cbor::map([("Handle", n.put())]),
            FsResponseData::Path(path) => Cbor::map([("Path", path.put())]),
        }
    }

    fn get(item: Option<&Cbor>) -> Option<Self> {
        let item = item?;
        if let Some(info) = item.get("Stat") {
            return Some(FsResponseData::Stat(Field::get(Some(info))?));
        }
        if let Some(all) = item.get("List") {
            return Some(FsResponseData::List(Field::get(Some(all))?));
        }
        if let Some(n) = item.get("Handle") {
            return Some(FsResponseData::Handle(Field::get(Some(n))?));
        }
        Some(FsResponseData::Path(Field::get(Some(item.get("Path")?))?))
    }
}

/// How an operation went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FsResponse {
    /// Was it done?
    pub ok: bool,
    /// Why not.
    pub error: Option<String>,
    /// What it gives.
    pub data: Option<FsResponseData>,
}

impl Payload for FsResponse {
    fn to_cbor(&self) -> Cbor {
        Cbor::map([("ok", self.ok.put()), ("error", self.error.put()), ("data", self.data.put())])
    }
    fn from_cbor(item: &Cbor) -> Option<Self> {
        Some(FsResponse {
            ok: Field::get(item.get("ok"))?,
            error: Field::get(item.get("error"))?,
            data: Field::get(item.get("data"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_come_back_as_they_went() {
        for op in [
            FsOp::Stat { path: "/x".into(), follow_symlink: true },
            FsOp::FSetStat {
                handle: 3,
                attrs: FsAttrs { mode: Some(0o644), ..Default::default() },
            },
            FsOp::Read { handle: 1, offset: 2, len: None },
        ] {
            let request = FsRequest { op };
            assert_eq!(FsRequest::from_cbor(&request.to_cbor()), Some(request));
        }
        let response = FsResponse {
            ok: true,
            error: None,
            data: Some(FsResponseData::List(vec![FsInfo {
                path: "/x".into(),
                ..Default::default()
            }])),
        };
        assert_eq!(FsResponse::from_cbor(&response.to_cbor()), Some(response));
        assert_eq!(
            FsRequest::from_cbor(&Cbor::map([("op", Cbor::map([("No", Cbor::Null)]))])),
            None
        );
    }
}
