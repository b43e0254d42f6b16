// SPDX-License-Identifier: Apache-2.0
//! The C interface as it is, for what the safe part of this crate does not
//! cover. `include/microsandbox/*.h` says what everything does; a test compares
//! sizes, offsets and values with what a C compiler makes of the headers.
#![allow(missing_docs, non_camel_case_types)]

mod functions;
mod types;

pub use functions::*;
pub use types::*;
