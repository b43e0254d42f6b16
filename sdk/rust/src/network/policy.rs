// SPDX-License-Identifier: Apache-2.0
//! Which connections there may be.

use crate::json::Value;
use crate::options::named;
use std::net::IpAddr;

named! {
    /// What a rule does.
    Action {
        /// Let it pass.
        Allow = "allow",
        /// Refuse it.
        Deny = "deny",
    }
}

named! {
    /// Which way a connection is opened.
    Direction {
        /// By the guest.
        Egress = "egress",
        /// To the guest.
        Ingress = "ingress",
        /// Either.
        Any = "any",
    }
}

named! {
    /// A protocol that a rule is about.
    Protocol {
        /// TCP.
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
        /// ICMP of IPv4.
        Icmpv4 = "icmpv4",
        /// ICMP of IPv6.
        Icmpv6 = "icmpv6",
    }
}

named! {
    /// Addresses that belong together.
    DestinationGroup {
        /// Everything that is in none of the others.
        Public = "public",
        /// Loopback of the guest's gateway.
        Loopback = "loopback",
        /// Private networks.
        Private = "private",
        /// Addresses of one link.
        LinkLocal = "link-local",
        /// Metadata services of clouds.
        Metadata = "metadata",
        /// Multicast.
        Multicast = "multicast",
        /// This host.
        Host = "host",
    }
}

/// Where to, or (inwards) where from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// Anywhere.
    Any,
    /// One address.
    Ip(IpAddr),
    /// A network, such as `10.0.0.0/8`.
    Cidr(String),
    /// What this name stands for.
    Domain(String),
    /// A domain and all below it.
    DomainSuffix(String),
    /// A group of addresses.
    Group(DestinationGroup),
}

impl Destination {
    /// A domain and all below it; with or without a dot in front.
    pub fn suffix(domain: impl AsRef<str>) -> Self {
        Destination::DomainSuffix(domain.as_ref().to_string())
    }

    fn text(&self) -> String {
        match self {
            Destination::Any => "*".into(),
            Destination::Ip(ip) => ip.to_string(),
            Destination::Cidr(s) | Destination::Domain(s) => s.clone(),
            Destination::DomainSuffix(s) => format!(".{}", s.trim_start_matches('.')),
            Destination::Group(g) => g.as_str().into(),
        }
    }
}

impl From<DestinationGroup> for Destination {
    fn from(g: DestinationGroup) -> Self {
        Destination::Group(g)
    }
}

impl From<IpAddr> for Destination {
    fn from(ip: IpAddr) -> Self {
        Destination::Ip(ip)
    }
}

/// Ports of the guest's side: one, or all from a first to a last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PortRange {
    /// The lowest.
    pub lo: u16,
    /// The highest.
    pub hi: u16,
}

impl From<u16> for PortRange {
    fn from(port: u16) -> Self {
        PortRange { lo: port, hi: port }
    }
}

impl From<std::ops::RangeInclusive<u16>> for PortRange {
    fn from(r: std::ops::RangeInclusive<u16>) -> Self {
        PortRange { lo: *r.start(), hi: *r.end() }
    }
}

impl PortRange {
    fn value(self) -> Value {
        if self.lo == self.hi {
            self.lo.into()
        } else {
            format!("{}-{}", self.lo, self.hi).into()
        }
    }
}

/// One rule of a policy; of all that apply, the first decides.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule(Value);

macro_rules! rule_shorts {
    ($($(#[$doc:meta])* $name:ident = $action:ident $direction:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name(destination: impl Into<Destination>) -> Self {
            Rule::new(Action::$action, Direction::$direction, destination)
        }
    )*};
}

impl Rule {
    /// For every protocol and port.
    pub fn new(action: Action, direction: Direction, destination: impl Into<Destination>) -> Self {
        let mut v = Value::object();
        v.set("action", action)
            .set("direction", direction)
            .set("destination", destination.into().text());
        Rule(v)
    }

    /// As `msb --net-rule` has it: `allow@example.com:tcp:443`.
    pub fn token(token: impl AsRef<str>) -> Self {
        Rule(token.as_ref().into())
    }

    /// Let the guest ask for names.
    pub fn allow_dns() -> Self {
        Rule::token("allow@dns")
    }

    rule_shorts! {
        /// The guest may connect to it.
        allow_egress = Allow Egress;
        /// The guest may not connect to it.
        deny_egress = Deny Egress;
        /// It may connect to the guest.
        allow_ingress = Allow Ingress;
        /// It may not connect to the guest.
        deny_ingress = Deny Ingress;
        /// Either may connect to the other.
        allow_any = Allow Any;
        /// Neither may connect to the other.
        deny_any = Deny Any;
    }

    /// Only of this protocol, or of this one, too.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.0.push("protocols", protocol);
        self
    }

    /// Only this port or range, or this one, too.
    pub fn port(mut self, port: impl Into<PortRange>) -> Self {
        self.0.push("ports", port.into().value());
        self
    }
}

/// Which connections there may be.
#[derive(Debug, Clone, PartialEq)]
pub struct NetworkPolicy(pub(super) Value);

impl NetworkPolicy {
    fn preset(name: &str) -> Self {
        NetworkPolicy(name.into())
    }

    /// None at all.
    pub fn none() -> Self {
        Self::preset("none")
    }

    /// Names and public addresses; this is the default.
    pub fn public_only() -> Self {
        Self::preset("public_only")
    }

    /// All of them.
    pub fn allow_all() -> Self {
        Self::preset("allow_all")
    }

    /// Names, public and private addresses.
    pub fn non_local() -> Self {
        Self::preset("non_local")
    }

    /// One of one's own: what no rule decides is denied on the way out and
    /// allowed on the way in.
    pub fn builder() -> NetworkPolicyBuilder {
        NetworkPolicyBuilder { value: Value::object() }
    }
}

/// Puts a [`NetworkPolicy`] together.
#[derive(Debug, Clone)]
pub struct NetworkPolicyBuilder {
    value: Value,
}

impl NetworkPolicyBuilder {
    /// What no rule decides is allowed, both ways.
    pub fn default_allow(self) -> Self {
        self.default_egress(Action::Allow).default_ingress(Action::Allow)
    }

    /// What no rule decides is denied, both ways.
    pub fn default_deny(self) -> Self {
        self.default_egress(Action::Deny).default_ingress(Action::Deny)
    }

    /// What no rule decides, on the way out.
    pub fn default_egress(mut self, action: Action) -> Self {
        self.value.set("default_egress", action);
        self
    }

    /// What no rule decides, on the way in.
    pub fn default_ingress(mut self, action: Action) -> Self {
        self.value.set("default_ingress", action);
        self
    }

    /// Behind those there are.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.value.push("rules", rule.0);
        self
    }

    /// Several of them.
    pub fn rules(self, rules: impl IntoIterator<Item = Rule>) -> Self {
        rules.into_iter().fold(self, Self::rule)
    }

    /// Rules for connections that the guest opens.
    pub fn egress(self, f: impl FnOnce(RuleBuilder) -> RuleBuilder) -> Self {
        self.rules(f(RuleBuilder::new(Direction::Egress)).rules)
    }

    /// Rules for connections to the guest.
    pub fn ingress(self, f: impl FnOnce(RuleBuilder) -> RuleBuilder) -> Self {
        self.rules(f(RuleBuilder::new(Direction::Ingress)).rules)
    }

    /// Rules for both.
    pub fn any(self, f: impl FnOnce(RuleBuilder) -> RuleBuilder) -> Self {
        self.rules(f(RuleBuilder::new(Direction::Any)).rules)
    }

    /// Done.
    pub fn build(self) -> NetworkPolicy {
        NetworkPolicy(self.value)
    }
}

/// Rules of one direction. Protocols and ports apply to the rules behind them.
#[derive(Debug, Clone)]
pub struct RuleBuilder {
    direction: Direction,
    protocols: Vec<Protocol>,
    ports: Vec<PortRange>,
    rules: Vec<Rule>,
}

macro_rules! group_rules {
    ($($allow:ident $deny:ident $group:ident,)*) => {$(
        #[doc = concat!("Allow the group `", stringify!($group), "`.")]
        pub fn $allow(self) -> Self {
            self.allow(DestinationGroup::$group)
        }
        #[doc = concat!("Deny the group `", stringify!($group), "`.")]
        pub fn $deny(self) -> Self {
            self.deny(DestinationGroup::$group)
        }
    )*};
}

macro_rules! domain_rules {
    ($($(#[$doc:meta])* $name:ident = $add:ident $variant:ident;)*) => {$(
        $(#[$doc])*
        pub fn $name<I>(self, domains: I) -> Self
        where
            I: IntoIterator,
            I::Item: AsRef<str>,
        {
            domains.into_iter().fold(self, |b, d| {
                b.$add(Destination::$variant(d.as_ref().to_string()))
            })
        }
    )*};
}

impl RuleBuilder {
    fn new(direction: Direction) -> Self {
        RuleBuilder { direction, protocols: Vec::new(), ports: Vec::new(), rules: Vec::new() }
    }

    /// TCP.
    pub fn tcp(self) -> Self {
        self.protocol(Protocol::Tcp)
    }

    /// UDP.
    pub fn udp(self) -> Self {
        self.protocol(Protocol::Udp)
    }

    /// ICMP of IPv4.
    pub fn icmpv4(self) -> Self {
        self.protocol(Protocol::Icmpv4)
    }

    /// ICMP of IPv6.
    pub fn icmpv6(self) -> Self {
        self.protocol(Protocol::Icmpv6)
    }

    /// Rules that follow are for this protocol, too.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocols.push(protocol);
        self
    }

    /// Rules that follow are for this port or range, too.
    pub fn port(mut self, port: impl Into<PortRange>) -> Self {
        self.ports.push(port.into());
        self
    }

    /// Rules that follow are for these ports, too.
    pub fn ports(self, ports: impl IntoIterator<Item = u16>) -> Self {
        ports.into_iter().fold(self, Self::port)
    }

    /// From the first to the last.
    pub fn port_range(self, lo: u16, hi: u16) -> Self {
        self.port(PortRange { lo, hi })
    }

    /// A rule that allows.
    pub fn allow(self, destination: impl Into<Destination>) -> Self {
        self.add(Action::Allow, destination.into())
    }

    /// A rule that denies.
    pub fn deny(self, destination: impl Into<Destination>) -> Self {
        self.add(Action::Deny, destination.into())
    }

    fn add(mut self, action: Action, destination: Destination) -> Self {
        let mut rule = Rule::new(action, self.direction, destination);
        for protocol in &self.protocols {
            rule = rule.protocol(*protocol);
        }
        for port in &self.ports {
            rule = rule.port(*port);
        }
        self.rules.push(rule);
        self
    }

    group_rules! {
        allow_public deny_public Public,
        allow_private deny_private Private,
        allow_loopback deny_loopback Loopback,
        allow_link_local deny_link_local LinkLocal,
        allow_meta deny_meta Metadata,
        allow_multicast deny_multicast Multicast,
        allow_host deny_host Host,
    }

    /// Loopback, this host, and addresses of one link.
    pub fn allow_local(self) -> Self {
        self.allow_loopback().allow_host().allow_link_local()
    }

    /// The same, denied.
    pub fn deny_local(self) -> Self {
        self.deny_loopback().deny_host().deny_link_local()
    }

    domain_rules! {
        /// Allow what these names stand for.
        allow_domains = allow Domain;
        /// Deny what these names stand for.
        deny_domains = deny Domain;
        /// Allow these domains and all below them.
        allow_domain_suffixes = allow DomainSuffix;
        /// Deny these domains and all below them.
        deny_domain_suffixes = deny DomainSuffix;
    }
}
