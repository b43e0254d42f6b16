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

pub use agent::*;
pub use config::*;
pub use core::*;
pub use exec::*;
pub use fs::*;
pub use host::*;
pub use image::*;
pub use log::*;
pub use metrics::*;
pub use network::*;
pub use sandbox::*;
pub use snapshot::*;
pub use volume::*;
