// SPDX-License-Identifier: Apache-2.0
//! Describing a sandbox that is to be created.

use super::{ImageBuilder, InitBuilder, Ownership, RegistryBuilder, Sandbox};
use crate::cancel::CancelToken;
use crate::error::{MicrosandboxError, MicrosandboxResult};
use crate::ffi;
use crate::home::Home;
use crate::image::{progress, PullEvent, PullPolicy};
use crate::json::Value;
use crate::mount::{MountBuilder, PatchBuilder};
use crate::network::{NetworkBuilder, PortBinding};
use crate::options::{named, Options};
use crate::secrets::{SecretBuilder, ViolationAction};
use crate::size::Mebibytes;
use crate::sys;
use std::ffi::OsStr;
use std::net::IpAddr;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

named! {
    /// How much the runtime of a sandbox writes down.
    LogLevel {
        /// Everything.
        Trace = "trace",
        /// What helps to find faults.
        Debug = "debug",
        /// What happens.
        Info = "info",
        /// What may be wrong.
        Warn = "warn",
        /// What is wrong.
        Error = "error",
    }
}

/// A description that the library has accepted.
#[derive(Debug, Clone, PartialEq)]
pub struct SandboxConfig {
    name: String,
    options: Value,
}

impl SandboxConfig {
    /// Of what is in docs/sdk.md, "Options of a sandbox", as JSON.
    pub fn from_json(name: impl AsRef<str>, text: &str) -> MicrosandboxResult<Self> {
        let config = SandboxConfig { name: name.as_ref().into(), options: Value::parse(text)? };
        config.check()?;
        Ok(config)
    }

    /// Name of the sandbox.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The options as they go to the library.
    pub fn options(&self) -> &Value {
        &self.options
    }

    fn check(&self) -> MicrosandboxResult<()> {
        Raw::new(self, &Home::current()?, None).map(drop)
    }
}

/// The library's own object, and what its progress function needs.
struct Raw {
    ptr: *mut sys::msb_config_t,
    image: *mut sys::msb_image_options_t,
}

impl Drop for Raw {
    fn drop(&mut self) {
        // SAFETY: nothing else has them; NULL is allowed.
        unsafe {
            sys::msb_config_free(self.ptr);
            sys::msb_image_options_free(self.image);
        }
    }
}

impl Raw {
    /// `sender` must outlive what this gives.
    fn new(
        config: &SandboxConfig,
        home: &Home,
        sender: Option<&mpsc::Sender<PullEvent>>,
    ) -> MicrosandboxResult<Self> {
        let text = config.options.to_string();
        let name = ffi::cstring(&config.name)?;
        // SAFETY (all): pointers are good for the calls; strings are copied.
        let ptr = ffi::make(|ret, e| unsafe { sys::msb_config_new(home.ptr(), ret, e) })?;
        let mut raw = Raw { ptr, image: std::ptr::null_mut() };
        ffi::call(|e| unsafe { sys::msb_config_set_name(ptr, name.as_ptr(), e) })?;
        if let Some(sender) = sender {
            raw.image = unsafe { sys::msb_image_options_new() };
            if raw.image.is_null() {
                return Err(MicrosandboxError::no_memory());
            }
            let ctx = sender as *const mpsc::Sender<PullEvent> as *mut _;
            unsafe {
                sys::msb_image_options_set_progress(raw.image, Some(progress), ctx);
            }
            ffi::call(|e| unsafe { sys::msb_config_set_image_options(ptr, raw.image, e) })?;
        }
        ffi::call(|e| unsafe {
            sys::msb_config_apply_json(ptr, text.as_ptr().cast(), text.len(), e)
        })?;
        Ok(raw)
    }
}

pub(super) fn create(
    config: &SandboxConfig,
    home: &Home,
    attached: bool,
    sender: Option<&mpsc::Sender<PullEvent>>,
) -> MicrosandboxResult<Sandbox> {
    let raw = Raw::new(config, home, sender)?;
    // SAFETY: both are alive.
    let ptr = unsafe {
        sys::msb_config_set_attached(raw.ptr, attached);
        ffi::make(|ret, e| sys::msb_sandbox_create(home.ptr(), raw.ptr, ret, e))?
    };
    let ownership = if attached { Ownership::Owner } else { Ownership::None };
    let sandbox = Sandbox::from_ptr(home.clone(), ptr, ownership);
    if !attached {
        // SAFETY: alive.
        ffi::call(|e| unsafe { sys::msb_sandbox_release(sandbox.ptr(), e) })?;
    }
    Ok(sandbox)
}

/// What becomes of the image of a sandbox that is being created: an iterator,
/// which ends when there is no more to come.
#[derive(Debug)]
pub struct PullProgress(mpsc::Receiver<PullEvent>);

impl PullProgress {
    /// The next event; `None` after the last one.
    pub fn recv(&self) -> Option<PullEvent> {
        self.0.recv().ok()
    }
}

impl Iterator for PullProgress {
    type Item = PullEvent;

    fn next(&mut self) -> Option<PullEvent> {
        self.recv()
    }
}

/// A sandbox that is being created by another thread.
#[derive(Debug)]
pub struct CreateTask {
    thread: thread::JoinHandle<MicrosandboxResult<Sandbox>>,
    token: CancelToken,
}

impl CreateTask {
    /// Wait for it.
    pub fn join(self) -> MicrosandboxResult<Sandbox> {
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    /// Ends it; `join` then says [`MicrosandboxError::Cancelled`].
    pub fn cancel_token(&self) -> &CancelToken {
        &self.token
    }
}

/// Describes a sandbox, and creates it. Nothing is checked before that, or
/// before [`build`](SandboxBuilder::build): everything is the library's to say.
#[derive(Debug, Clone)]
pub struct SandboxBuilder {
    name: String,
    options: Options,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $key:literal;)*) => {$(
        $(#[$doc])*
        pub fn $name(self, value: $type) -> Self {
            self.set($key, value)
        }
    )*};
}

macro_rules! text_setters {
    ($($(#[$doc:meta])* $name:ident = $key:literal;)*) => {$(
        $(#[$doc])*
        pub fn $name(mut self, value: impl AsRef<OsStr>) -> Self {
            self.options.set_text($key, value);
            self
        }
    )*};
}

macro_rules! list_setters {
    ($($(#[$doc:meta])* $name:ident = $key:literal;)*) => {$(
        $(#[$doc])*
        pub fn $name<I>(mut self, words: I) -> Self
        where
            I: IntoIterator,
            I::Item: AsRef<OsStr>,
        {
            let words = self.options.texts(words);
            self.set($key, words)
        }
    )*};
}

impl SandboxBuilder {
    pub(super) fn new(name: &str) -> Self {
        SandboxBuilder { name: name.to_string(), options: Options::new() }
    }

    fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.options.set(key, value);
        self
    }

    text_setters! {
        /// What the sandbox is made from. What begins with `.` or `/` is a path
        /// of a directory or a disk image, all else is a reference.
        image = "image";
        /// The snapshot it is made from, instead of an image.
        from_snapshot = "snapshot";
        /// Directory in which commands start.
        workdir = "workdir";
        /// Program that scripts are given to.
        shell = "shell";
        /// What the guest calls itself; without, the sandbox's name.
        hostname = "hostname";
        /// Who runs commands: `user`, `uid`, `user:group`, ...
        user = "user";
        /// `auto`, `kvm` or `uml`.
        engine = "engine";
        /// `strict` or `relaxed`.
        engine_jail = "engine_jail";
        /// `auto`, `ptrace` or `seccomp`.
        engine_mode = "engine_mode";
    }

    setters! {
        /// Virtual CPUs.
        cpus: u8 = "cpus";
        /// The longest that one boot lasts, in seconds; 0: no limit.
        max_duration: u64 = "max_duration_s";
        /// Stop after so many seconds without work; 0: never.
        idle_timeout: u64 = "idle_timeout_s";
        /// When images are asked for at their registry.
        pull_policy: PullPolicy = "pull_policy";
        /// How much the runtime writes down.
        log_level: LogLevel = "log_level";
        /// Remove the sandbox when its work ends.
        ephemeral: bool = "ephemeral";
    }

    list_setters! {
        /// Words in front of the command of `msb run`.
        entrypoint = "entrypoint";
        /// Command of `msb run` without words of its own.
        cmd = "cmd";
        /// A command that starts with the sandbox, and ends it.
        startup = "startup";
    }

    /// The root, said more precisely.
    pub fn image_with(mut self, f: impl FnOnce(ImageBuilder) -> ImageBuilder) -> Self {
        let image = f(ImageBuilder(Options::new())).0;
        let image = self.options.nested(image);
        self.set("image", image)
    }

    /// Memory of the guest.
    pub fn memory(self, size: impl Into<Mebibytes>) -> Self {
        self.set("memory_mib", size.into().0)
    }

    /// A variable of the environment of every command.
    pub fn env(mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.insert("env", key.as_ref(), value.as_ref());
        self
    }

    /// Several of them.
    pub fn envs<I, K, V>(self, vars: I) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        vars.into_iter().fold(self, |b, (k, v)| b.env(k, v))
    }

    /// A label, by which the sandbox can be found.
    pub fn label(mut self, key: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        self.insert("labels", key.as_ref().as_ref(), value.as_ref().as_ref());
        self
    }

    /// Several of them.
    pub fn labels<I, K, V>(self, labels: I) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        labels.into_iter().fold(self, |b, (k, v)| b.label(k, v))
    }

    /// A program `/.msb/scripts/NAME` of the guest.
    pub fn script(mut self, name: impl AsRef<str>, text: impl AsRef<str>) -> Self {
        self.insert("scripts", name.as_ref().as_ref(), text.as_ref().as_ref());
        self
    }

    /// Several of them.
    pub fn scripts<I, K, V>(self, scripts: I) -> Self
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<str>,
        V: AsRef<str>,
    {
        scripts.into_iter().fold(self, |b, (k, v)| b.script(k, v))
    }

    fn insert(&mut self, key: &str, name: &OsStr, value: &OsStr) {
        let name = self.options.text(name);
        let value = self.options.text(value);
        if let Value::String(name) = name {
            self.options.value.member(key).set(name, value);
        }
    }

    /// Hand process 1 to this program, `auto` or a path, after set-up.
    pub fn init(mut self, program: impl AsRef<OsStr>) -> Self {
        self.options.set_text("init", program);
        self
    }

    /// The same with arguments and environment.
    pub fn init_with(
        mut self,
        program: impl AsRef<OsStr>,
        f: impl FnOnce(InitBuilder) -> InitBuilder,
    ) -> Self {
        let mut init = f(InitBuilder(Options::new())).0;
        init.set_text("cmd", program);
        let init = self.options.nested(init);
        self.set("init", init)
    }

    /// A limit of everything in the guest: `nofile`, `nproc`, ...
    pub fn rlimit(self, resource: impl AsRef<str>, limit: u64) -> Self {
        self.rlimit_range(resource, limit, limit)
    }

    /// The same, where programs may raise it to `hard`.
    pub fn rlimit_range(mut self, resource: impl AsRef<str>, soft: u64, hard: u64) -> Self {
        let mut limit = Value::object();
        limit.set("resource", resource.as_ref()).set("soft", soft).set("hard", hard);
        self.options.value.push("rlimits", limit);
        self
    }

    /// Replace a sandbox of this name.
    pub fn replace(self) -> Self {
        self.set("replace", true)
    }

    /// The same; the old one has so long to stop before it is killed.
    pub fn replace_with_timeout(self, timeout: Duration) -> Self {
        self.set("replace_timeout_ms", ffi::millis(timeout))
    }

    /// How images are fetched.
    pub fn registry(mut self, f: impl FnOnce(RegistryBuilder) -> RegistryBuilder) -> Self {
        let registry = f(RegistryBuilder(Options::new())).0;
        let registry = self.options.nested(registry);
        self.set("registry", registry)
    }

    /// Only errors are written down.
    pub fn quiet_logs(self) -> Self {
        self.log_level(LogLevel::Error)
    }

    /// How often a sample of what is used is taken; 0: never.
    pub fn metrics_sample_interval(self, interval: Duration) -> Self {
        self.set("metrics_interval_ms", ffi::millis(interval))
    }

    /// No samples.
    pub fn disable_metrics_sample(self) -> Self {
        self.set("metrics_interval_ms", 0u32)
    }

    /// Something to be mounted at `path` of the guest.
    pub fn volume(
        mut self,
        path: impl AsRef<Path>,
        f: impl FnOnce(MountBuilder) -> MountBuilder,
    ) -> Self {
        let mount = f(MountBuilder::new()).options;
        let mount = self.options.nested(mount);
        if let Value::String(path) = self.options.text(path.as_ref()) {
            self.options.value.member("mounts").set(path, mount);
        }
        self
    }

    /// Changes of the root file system.
    pub fn patch(mut self, f: impl FnOnce(PatchBuilder) -> PatchBuilder) -> Self {
        let b = f(PatchBuilder::new());
        self.options.nested(b.options);
        for patch in b.patches {
            self.options.value.push("patches", patch);
        }
        self
    }

    crate::network::port_methods!();

    /// As `msb --port` has it: `[BIND:]HOST:GUEST[/udp]`.
    pub fn port_spec(mut self, spec: impl AsRef<str>) -> Self {
        self.options.value.push("ports", spec.as_ref());
        self
    }

    /// The network.
    pub fn network(mut self, f: impl FnOnce(NetworkBuilder) -> NetworkBuilder) -> Self {
        let b = f(NetworkBuilder::new());
        let network = self.options.nested(b.options);
        if let Value::Object(members) = network {
            for (key, value) in members {
                self.options.value.member("network").set(key, value);
            }
        }
        for secret in b.secrets {
            self.options.value.push("secrets", secret);
        }
        match b.violation {
            Some(action) => self.on_secret_violation(action),
            None => self,
        }
    }

    /// Without any, not even a device.
    pub fn disable_network(self) -> Self {
        self.network(|n| n.enabled(false))
    }

    /// A secret: the guest has a placeholder, allowed hosts are given the value.
    pub fn secret(mut self, f: impl FnOnce(SecretBuilder) -> SecretBuilder) -> Self {
        let secret = self.options.nested(f(SecretBuilder::new()).options);
        self.options.value.push("secrets", secret);
        self
    }

    /// The short form.
    pub fn secret_env(
        self,
        env: impl AsRef<str>,
        value: impl AsRef<str>,
        host: impl AsRef<str>,
    ) -> Self {
        self.secret(|s| s.env(env).value(value).allow_host(host))
    }

    /// What becomes of requests with placeholders that may not go there.
    pub fn on_secret_violation(self, action: ViolationAction) -> Self {
        self.set("on_secret_violation", action)
    }

    /// Have the library check everything that can be checked now.
    pub fn build(self) -> MicrosandboxResult<SandboxConfig> {
        let config = self.into_config()?;
        config.check()?;
        Ok(config)
    }

    fn into_config(self) -> MicrosandboxResult<SandboxConfig> {
        Ok(SandboxConfig { name: self.name, options: self.options.finish()? })
    }

    /// Create it, boot it, and wait until the guest is ready. It stops when
    /// what this gives is dropped, or this process dies.
    pub fn create(self) -> MicrosandboxResult<Sandbox> {
        create(&self.into_config()?, &Home::current()?, true, None)
    }

    /// The same, but it goes on running by itself.
    pub fn create_detached(self) -> MicrosandboxResult<Sandbox> {
        create(&self.into_config()?, &Home::current()?, false, None)
    }

    /// [`create`](Self::create) in another thread, telling what becomes of the
    /// image.
    ///
    /// ```no_run
    /// # use microsandbox::Sandbox;
    /// # fn main() -> microsandbox::MicrosandboxResult<()> {
    /// let (progress, task) =
    ///     Sandbox::builder("box").image("busybox").create_with_pull_progress()?;
    /// for event in progress {
    ///     println!("{event:?}");
    /// }
    /// let sandbox = task.join()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn create_with_pull_progress(self) -> MicrosandboxResult<(PullProgress, CreateTask)> {
        self.create_in_thread(true)
    }

    /// [`create_detached`](Self::create_detached) in the same way.
    pub fn create_detached_with_pull_progress(
        self,
    ) -> MicrosandboxResult<(PullProgress, CreateTask)> {
        self.create_in_thread(false)
    }

    fn create_in_thread(self, attached: bool) -> MicrosandboxResult<(PullProgress, CreateTask)> {
        let config = self.into_config()?;
        let home = Home::current()?;
        let token = CancelToken::new()?;
        let (sender, receiver) = mpsc::channel();
        let thread = thread::Builder::new().name("msb-create".into()).spawn({
            let token = token.clone();
            move || token.run(|| create(&config, &home, attached, Some(&sender)))
        })?;
        Ok((PullProgress(receiver), CreateTask { thread, token }))
    }
}
