// SPDX-License-Identifier: Apache-2.0
//! What sandboxes use.

use crate::error::{MicrosandboxError, MicrosandboxResult};
use crate::ffi;
use crate::home::Home;
use crate::options::named;
use crate::sandbox::Sandbox;
use crate::sys;
use std::collections::BTreeMap;
use std::mem::{size_of, MaybeUninit};
use std::os::raw::{c_int, c_void};
use std::thread;
use std::time::{Duration, SystemTime};

named! {
    /// How recent a sample is.
    MetricsState {
        /// The sandbox runs, and is sampled.
        Running = "running",
        /// There was no sample for three intervals.
        Stalled = "stalled",
        /// The last sample of a sandbox that is gone.
        Exited = "exited",
    }
}

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Metrics {
    /// Of which sandbox.
    pub name: String,
    /// How recent it is.
    pub state: MetricsState,
    /// Virtual CPUs.
    pub cpus: u32,
    /// When the sandbox was started.
    pub started: SystemTime,
    /// When this was measured.
    pub timestamp: SystemTime,
    /// How long it had run then.
    pub uptime: Duration,
    /// Time of the host's CPUs, for all of it, since its start.
    pub cpu_time: Duration,
    /// Over the last interval; 100 is one whole CPU.
    pub cpu_percent: f64,
    /// Of the host.
    pub memory_bytes: u64,
    /// How much it may get.
    pub memory_limit_bytes: u64,
    /// In use within the guest, if that is known.
    pub guest_memory_bytes: Option<u64>,
    /// Read by the guest.
    pub disk_read_bytes: u64,
    /// Written by the guest.
    pub disk_write_bytes: u64,
    /// Received by the guest.
    pub net_rx_bytes: u64,
    /// Sent by the guest.
    pub net_tx_bytes: u64,
    /// Time between samples.
    pub interval: Duration,
}

impl Metrics {
    /// # Safety
    /// The name is a C string.
    unsafe fn read(m: &sys::msb_metrics_t) -> Self {
        Metrics {
            name: ffi::text(m.name),
            state: match m.state {
                sys::MSB_METRICS_RUNNING => MetricsState::Running,
                sys::MSB_METRICS_STALLED => MetricsState::Stalled,
                _ => MetricsState::Exited,
            },
            cpus: m.cpus,
            started: ffi::time_ms(m.started_unix_ms),
            timestamp: ffi::time_ms(m.sampled_unix_ms),
            uptime: Duration::from_millis(m.uptime_ms),
            cpu_time: Duration::from_micros(m.cpu_time_us),
            cpu_percent: m.cpu_percent,
            memory_bytes: m.memory_bytes,
            memory_limit_bytes: m.memory_limit_bytes,
            guest_memory_bytes: (m.guest_memory_bytes != 0).then_some(m.guest_memory_bytes),
            disk_read_bytes: m.disk_read_bytes,
            disk_write_bytes: m.disk_write_bytes,
            net_rx_bytes: m.net_rx_bytes,
            net_tx_bytes: m.net_tx_bytes,
            interval: Duration::from_millis(m.interval_ms.into()),
        }
    }
}

pub(crate) fn of(sandbox: *mut sys::msb_sandbox_t) -> MicrosandboxResult<Metrics> {
    // SAFETY: of numbers and a pointer, for which zeros are values; the name is
    // borrowed from the sandbox and never changes.
    unsafe {
        let mut m: sys::msb_metrics_t = MaybeUninit::zeroed().assume_init();
        m.struct_size = size_of::<sys::msb_metrics_t>();
        ffi::call(|e| sys::msb_sandbox_metrics(sandbox, &mut m, e))?;
        Ok(Metrics::read(&m))
    }
}

/// Of every sandbox that runs and has a sample.
pub fn all_sandbox_metrics() -> MicrosandboxResult<BTreeMap<String, Metrics>> {
    all(0)
}

/// The same, with the last samples of sandboxes that have ended, where they are
/// still there.
pub fn all_sandbox_metrics_with_exited() -> MicrosandboxResult<BTreeMap<String, Metrics>> {
    all(sys::MSB_METRICS_WITH_EXITED)
}

fn all(flags: u32) -> MicrosandboxResult<BTreeMap<String, Metrics>> {
    unsafe extern "C" fn add(ctx: *mut c_void, sample: *const sys::msb_metrics_t) -> c_int {
        let all = &mut *(ctx as *mut BTreeMap<String, Metrics>);
        let m = Metrics::read(&*sample);
        all.insert(m.name.clone(), m);
        0
    }
    let home = Home::current()?;
    let mut map: BTreeMap<String, Metrics> = BTreeMap::new();
    let ctx = &mut map as *mut _ as *mut c_void;
    // SAFETY: the map outlives the call, and nothing else uses it meanwhile.
    ffi::call(|e| unsafe { sys::msb_metrics_all(home.ptr(), flags, Some(add), ctx, e) })?;
    Ok(map)
}

/// Samples of a sandbox, one each interval. It never ends by itself: after the
/// sandbox has stopped, its items are errors.
#[derive(Debug)]
pub struct MetricsStream {
    sandbox: Sandbox,
    interval: Duration,
    first: bool,
}

impl MetricsStream {
    pub(crate) fn new(sandbox: Sandbox, interval: Duration) -> Self {
        let interval = interval.max(Duration::from_millis(1));
        MetricsStream { sandbox, interval, first: true }
    }

    /// Wait for the next sample.
    pub fn recv(&mut self) -> MicrosandboxResult<Metrics> {
        if !self.first {
            // Waiting for the sandbox's end is a wait that a token ends.
            match self.sandbox.wait_timeout(self.interval) {
                Err(e @ MicrosandboxError::Cancelled(_)) => return Err(e),
                Ok(None) => {}
                _ => thread::sleep(self.interval),
            }
        }
        self.first = false;
        self.sandbox.metrics()
    }
}

impl Iterator for MetricsStream {
    type Item = MicrosandboxResult<Metrics>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(self.recv())
    }
}
