// SPDX-License-Identifier: Apache-2.0
//! Parts of a sandbox's description with builders of their own.

use crate::mount::DiskImageFormat;
use crate::options::Options;
use crate::size::Mebibytes;
use std::ffi::OsStr;
use std::path::Path;

/// The root of a sandbox.
#[derive(Debug, Clone)]
pub struct ImageBuilder(pub(super) Options);

impl ImageBuilder {
    /// An image, by its reference.
    pub fn oci(mut self, reference: impl AsRef<str>) -> Self {
        self.0.set("oci", reference.as_ref());
        self
    }

    /// Size of the writable layer above an image.
    pub fn upper_size(mut self, size: impl Into<Mebibytes>) -> Self {
        self.0.set("upper_size_mib", size.into().0);
        self
    }

    /// A directory of the host.
    pub fn bind(mut self, path: impl AsRef<Path>) -> Self {
        self.0.set_text("bind", path.as_ref());
        self
    }

    /// A disk image.
    pub fn disk(mut self, path: impl AsRef<Path>) -> Self {
        self.0.set_text("disk", path.as_ref());
        self
    }

    /// How the disk image is laid out, where its name does not tell.
    pub fn format(mut self, format: DiskImageFormat) -> Self {
        self.0.set("format", format);
        self
    }

    /// File system of the disk image, where it is not to be found out.
    pub fn fstype(mut self, fstype: impl AsRef<str>) -> Self {
        self.0.set("fstype", fstype.as_ref());
        self
    }
}

/// What process 1 is given.
#[derive(Debug, Clone)]
pub struct InitBuilder(pub(super) Options);

impl InitBuilder {
    /// An argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        let arg = self.0.text(arg);
        self.0.value.push("args", arg);
        self
    }

    /// Several of them.
    pub fn args<I>(self, args: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        args.into_iter().fold(self, Self::arg)
    }

    /// A variable of its environment.
    pub fn env(mut self, key: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.0.value.member("env").set(key.as_ref(), value.as_ref());
        self
    }
}

/// How images are fetched.
#[derive(Debug, Clone)]
pub struct RegistryBuilder(pub(super) Options);

impl RegistryBuilder {
    /// Instead of the stored credentials.
    pub fn auth(mut self, username: impl AsRef<str>, password: impl AsRef<str>) -> Self {
        self.0.set("username", username.as_ref());
        self.0.set("password", password.as_ref());
        self
    }

    /// Plain HTTP.
    pub fn insecure(mut self) -> Self {
        self.0.set("insecure", true);
        self
    }

    /// A PEM file with further authorities to trust.
    pub fn ca_certs(mut self, path: impl AsRef<Path>) -> Self {
        self.0.set_text("ca_certs", path.as_ref());
        self
    }
}
