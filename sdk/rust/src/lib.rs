// SPDX-License-Identifier: Apache-2.0
//! Run untrusted workloads in small virtual machines, from Rust.
//!
//! ```no_run
//! use microsandbox::{Sandbox, SizeExt};
//!
//! # fn main() -> microsandbox::MicrosandboxResult<()> {
//! let sandbox = Sandbox::builder("box").image("busybox").memory(256.mib()).create()?;
//! let output = sandbox.exec("echo", ["hello from the guest"])?;
//! print!("{}", output.stdout()?);
//! sandbox.stop()?;
//! # Ok(())
//! # }
//! ```
//!
//! # Waiting
//!
//! Everything blocks, as in `std`, whose library this crate is content with:
//! there is no executor in it, so there are no `async` functions here. What is
//! to happen at once happens in threads: handles are `Send` and `Sync`, streams
//! are iterators, and a [`CancelToken`] ends what another thread waits for. With
//! an executor, call from its threads for blocking work.
//!
//! # Two kinds of objects
//!
//! A [`Sandbox`] runs: it was created, started or connected to. One that was
//! created or started, and not detached, stops when it is dropped. A
//! [`SandboxHandle`] is what the catalogue knows of one, whether it runs or not.
//!
//! # Errors
//!
//! [`MicrosandboxError`] has a variant for each kind the library knows. Options
//! are checked by the library, when a sandbox is created or
//! [built](SandboxBuilder::build).
//!
//! # More
//!
//! `docs/sdk-rust.md` of the project tells how it is built and tested.
#![deny(missing_docs)]
#![warn(rust_2018_idioms)]

pub mod agent;
mod cancel;
mod error;
mod exec;
mod ffi;
pub mod fs;
mod home;
mod host;
mod image;
pub mod json;
pub mod logs;
mod metrics;
mod mount;
mod network;
mod options;
mod sandbox;
mod secrets;
mod size;
mod snapshot;
pub mod sys;
mod volume;

pub use agent::{AgentClient, AgentStream, RawFrame};
pub use cancel::CancelToken;
pub use error::{
    BootError, ErrorInfo, ErrorKind, ExecFailure, ExecFailureKind, ExecTimeout, MicrosandboxError,
    MicrosandboxResult, MissedRotation,
};
pub use exec::{
    ExecControl, ExecEvent, ExecHandle, ExecOptionsBuilder, ExecOutput, ExecSink, ExitStatus,
};
pub use fs::{
    FsEntry, FsEntryKind, FsFile, FsMetadata, FsOpenOptions, FsReadStream, FsSetAttrs,
    FsWriteStream, SandboxFs, VolumeFs,
};
pub use home::Home;
pub use host::{abi_version, doctor, feature_supported, version, Check, CheckState};
pub use image::{
    ArchiveFormat, Image, ImageDetail, ImageFreed, ImageHandle, ImageLayer, PullEvent, PullOptions,
    PullPolicy,
};
pub use logs::{
    LogEntry, LogOptions, LogSnapshot, LogSource, LogStream, LogStreamOptions, LogStreamStart,
};
pub use metrics::{
    all_sandbox_metrics, all_sandbox_metrics_with_exited, Metrics, MetricsState, MetricsStream,
};
pub use mount::{
    DiskImageFormat, HostPermissions, MountBuilder, PatchBuilder, PatchOptions, StatVirtualization,
    VolumeMode,
};
pub use network::{
    Action, Destination, DestinationGroup, Direction, DnsBuilder, InterfaceBuilder, NetworkBuilder,
    NetworkPolicy, NetworkPolicyBuilder, PortBinding, PortRange, Protocol, Rule, RuleBuilder,
    TlsBuilder,
};
pub use sandbox::{
    CreateTask, ImageBuilder, InitBuilder, LogLevel, PullProgress, RegistryBuilder, Sandbox,
    SandboxBuilder, SandboxConfig, SandboxExit, SandboxHandle, SandboxStatus, StopResult,
    DEFAULT_CONNECT_TIMEOUT, DEFAULT_REPLACE_TIMEOUT, DEFAULT_STOP_TIMEOUT,
};
pub use secrets::{SecretBuilder, ViolationAction};
pub use size::{Mebibytes, SizeExt};
pub use snapshot::{
    ExportOptions, Snapshot, SnapshotBuilder, SnapshotHandle, SnapshotVerifyReport,
};
pub use volume::{Volume, VolumeBuilder, VolumeConfig, VolumeHandle, VolumeKind};
