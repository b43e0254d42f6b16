// SPDX-License-Identifier: Apache-2.0
//! Functions of the C headers, a module for each header.
#![allow(missing_docs)]

mod agent;
mod config;
mod core;
mod exec;
mod fs;
mod host;
mod image;
mod log;
mod metrics;
mod network;
mod sandbox;
mod snapshot;
mod volume;

pub use self::agent::*;
pub use self::config::*;
pub use self::core::*;
pub use self::exec::*;
pub use self::fs::*;
pub use self::host::*;
pub use self::image::*;
pub use self::log::*;
pub use self::metrics::*;
pub use self::network::*;
pub use self::sandbox::*;
pub use self::snapshot::*;
pub use self::volume::*;
