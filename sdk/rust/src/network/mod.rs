// SPDX-License-Identifier: Apache-2.0
//! The network of a sandbox: policy, names, TLS, addresses, ports.

mod policy;

pub use policy::{
    Action, Destination, DestinationGroup, Direction, NetworkPolicy, NetworkPolicyBuilder,
    PortRange, Protocol, Rule, RuleBuilder,
};

use crate::json::Value;
use crate::options::Options;
use crate::secrets::{SecretBuilder, ViolationAction};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// What builders of sandboxes and of networks say of ports alike.
macro_rules! port_methods {
    () => {
        /// A port of this host's loopback that leads to a TCP port of the guest.
        pub fn port(self, host: u16, guest: u16) -> Self {
            self.publish(PortBinding { host_port: host, guest_port: guest, bind: None, udp: false })
        }

        /// The same at another address of the host.
        pub fn port_bind(self, bind: IpAddr, host: u16, guest: u16) -> Self {
            let bind = Some(bind);
            self.publish(PortBinding { host_port: host, guest_port: guest, bind, udp: false })
        }

        /// The same for UDP.
        pub fn port_udp(self, host: u16, guest: u16) -> Self {
            self.publish(PortBinding { host_port: host, guest_port: guest, bind: None, udp: true })
        }

        /// UDP at another address of the host.
        pub fn port_udp_bind(self, bind: IpAddr, host: u16, guest: u16) -> Self {
            let bind = Some(bind);
            self.publish(PortBinding { host_port: host, guest_port: guest, bind, udp: true })
        }

        /// Any of these.
        pub fn publish(mut self, port: PortBinding) -> Self {
            self.options.value.push("ports", port.value());
            self
        }
    };
}
pub(crate) use port_methods;

/// A port of the host that leads to one of the guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortBinding {
    /// Of the host.
    pub host_port: u16,
    /// Of the guest.
    pub guest_port: u16,
    /// Address of the host; without, 127.0.0.1.
    pub bind: Option<IpAddr>,
    /// UDP instead of TCP.
    pub udp: bool,
}

impl PortBinding {
    pub(crate) fn value(&self) -> Value {
        let mut v = Value::object();
        v.set("host", self.host_port).set("guest", self.guest_port);
        v.set("protocol", if self.udp { "udp" } else { "tcp" });
        if let Some(bind) = self.bind {
            v.set("bind", bind.to_string());
        }
        v
    }
}

/// Puts the network of a sandbox together.
#[derive(Debug, Clone)]
pub struct NetworkBuilder {
    pub(crate) options: Options,
    pub(crate) secrets: Vec<Value>,
    pub(crate) violation: Option<ViolationAction>,
}

impl NetworkBuilder {
    pub(crate) fn new() -> Self {
        NetworkBuilder { options: Options::new(), secrets: Vec::new(), violation: None }
    }

    fn set(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.options.set(key, value);
        self
    }

    /// Without: no device at all.
    pub fn enabled(self, on: bool) -> Self {
        self.set("enabled", on)
    }

    /// Which connections there may be.
    pub fn policy(self, policy: NetworkPolicy) -> Self {
        self.set("policy", policy.0)
    }

    /// Denied before any rule; alone, all else is allowed.
    pub fn deny_domains<I>(mut self, domains: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        for d in domains {
            self.options.value.push("deny_domains", d.as_ref());
        }
        self
    }

    /// The same for domains and all below them.
    pub fn deny_domain_suffixes<I>(mut self, domains: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<str>,
    {
        for d in domains {
            self.options.value.push("deny_domain_suffixes", d.as_ref());
        }
        self
    }

    /// How names are looked up.
    pub fn dns(mut self, f: impl FnOnce(DnsBuilder) -> DnsBuilder) -> Self {
        self.options.set("dns", f(DnsBuilder(Value::object())).0);
        self
    }

    /// TLS interception, which this turns on.
    pub fn tls(mut self, f: impl FnOnce(TlsBuilder) -> TlsBuilder) -> Self {
        let tls = f(TlsBuilder(Options::new())).0;
        let tls = self.options.nested(tls);
        self.set("tls", tls)
    }

    /// Where IPv4 addresses of sandboxes are from: `172.16.0.0/12`.
    pub fn ipv4_pool(self, cidr: impl AsRef<str>) -> Self {
        self.set("ipv4_pool", cidr.as_ref())
    }

    /// Where IPv6 addresses of sandboxes are from.
    pub fn ipv6_pool(self, cidr: impl AsRef<str>) -> Self {
        self.set("ipv6_pool", cidr.as_ref())
    }

    /// How many connections there may be at a time.
    pub fn max_connections(self, n: u32) -> Self {
        self.set("max_connections", n)
    }

    /// Give the guest the certificates of the authorities this host trusts.
    pub fn trust_host_cas(self, on: bool) -> Self {
        self.set("trust_host_cas", on)
    }

    /// The guest's interface, where it is not to be made up.
    pub fn interface(self, f: impl FnOnce(InterfaceBuilder) -> InterfaceBuilder) -> Self {
        self.set("interface", f(InterfaceBuilder(Value::object())).0)
    }

    port_methods!();

    /// A secret, see [`SandboxBuilder::secret`](crate::SandboxBuilder::secret).
    pub fn secret(mut self, f: impl FnOnce(SecretBuilder) -> SecretBuilder) -> Self {
        let secret = self.options.nested(f(SecretBuilder::new()).options);
        self.secrets.push(secret);
        self
    }

    /// The short form, with the text that the guest is to see.
    pub fn secret_env(
        self,
        env: impl AsRef<str>,
        value: impl AsRef<str>,
        placeholder: impl AsRef<str>,
        host: impl AsRef<str>,
    ) -> Self {
        self.secret(|s| s.env(env).value(value).placeholder(placeholder).allow_host(host))
    }

    /// What becomes of a request with a placeholder that may not go there.
    pub fn on_secret_violation(mut self, action: ViolationAction) -> Self {
        self.violation = Some(action);
        self
    }
}

/// How names are looked up.
#[derive(Debug, Clone)]
pub struct DnsBuilder(Value);

impl DnsBuilder {
    /// May names stand for addresses that are not public? Protected from that
    /// unless this is `false`.
    pub fn rebind_protection(mut self, on: bool) -> Self {
        self.0.set("rebind_protection", on);
        self
    }

    /// Whom to ask, in this order, instead of whom the host asks.
    pub fn nameservers<I>(mut self, servers: I) -> Self
    where
        I: IntoIterator,
        I::Item: ToString,
    {
        let servers: Vec<_> = servers.into_iter().map(|s| s.to_string()).collect();
        self.0.set("nameservers", servers);
        self
    }

    /// How long an answer may take.
    pub fn query_timeout(mut self, d: Duration) -> Self {
        self.0.set("query_timeout_ms", crate::ffi::millis(d));
        self
    }
}

/// How TLS of the guest is intercepted.
#[derive(Debug, Clone)]
pub struct TlsBuilder(Options);

impl TlsBuilder {
    fn add<I, T>(mut self, key: &str, items: I) -> Self
    where
        I: IntoIterator<Item = T>,
        T: Into<Value>,
    {
        for item in items {
            self.0.value.push(key, item);
        }
        self
    }

    /// On, which `tls` implies, or off.
    pub fn intercept(mut self, on: bool) -> Self {
        self.0.set("intercept", on);
        self
    }

    /// Hosts whose connections go through untouched: `NAME`, `*.NAME`.
    pub fn bypass(self, pattern: impl AsRef<str>) -> Self {
        self.add("bypass", [pattern.as_ref()])
    }

    /// Are the certificates of servers verified?
    pub fn verify_upstream(mut self, on: bool) -> Self {
        self.0.set("verify_upstream", on);
        self
    }

    /// Instead of 443.
    pub fn intercepted_ports(self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.add("ports", ports)
    }

    /// Drop UDP to intercepted ports, which would be QUIC.
    pub fn block_quic(mut self, on: bool) -> Self {
        self.0.set("block_quic", on);
        self
    }

    /// A PEM file with a further authority that servers may be signed by.
    pub fn upstream_ca_cert(mut self, path: impl AsRef<Path>) -> Self {
        let path = self.0.text(path.as_ref());
        self.add("upstream_ca_certs", [path])
    }

    /// PEM file of the authority the guest is to trust, instead of the home's.
    pub fn intercept_ca_cert(mut self, path: impl AsRef<Path>) -> Self {
        self.0.set_text("ca_cert", path.as_ref());
        self
    }

    /// Its key.
    pub fn intercept_ca_key(mut self, path: impl AsRef<Path>) -> Self {
        self.0.set_text("ca_key", path.as_ref());
        self
    }
}

/// The guest's interface.
#[derive(Debug, Clone)]
pub struct InterfaceBuilder(Value);

impl InterfaceBuilder {
    /// Its hardware address.
    pub fn mac(mut self, mac: impl AsRef<str>) -> Self {
        self.0.set("mac", mac.as_ref());
        self
    }

    /// The largest packet.
    pub fn mtu(mut self, mtu: u16) -> Self {
        self.0.set("mtu", mtu);
        self
    }

    /// Its IPv4 address.
    pub fn ipv4(mut self, address: impl ToString) -> Self {
        self.0.set("ipv4", address.to_string());
        self
    }

    /// Its IPv6 address.
    pub fn ipv6(mut self, address: impl ToString) -> Self {
        self.0.set("ipv6", address.to_string());
        self
    }
}
