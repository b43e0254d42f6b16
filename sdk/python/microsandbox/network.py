# SPDX-License-Identifier: Apache-2.0
"""Network of a sandbox: policy, names, TLS interception, ports."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from ._convert import StrPath, make, path, some, text, texts
from ._enums import Action, Direction, PortProtocol, Protocol


@dataclass(frozen=True)
class PortBinding:
    """A port of the host that leads to one of the guest."""

    host_port: int
    guest_port: int
    bind: str | None = None
    """An address of the host; None: 127.0.0.1."""
    protocol: PortProtocol | str = PortProtocol.TCP

    @classmethod
    def tcp(cls, host_port: int, guest_port: int, bind: str | None = None) -> PortBinding:
        return cls(host_port, guest_port, bind, PortProtocol.TCP)

    @classmethod
    def udp(cls, host_port: int, guest_port: int, bind: str | None = None) -> PortBinding:
        return cls(host_port, guest_port, bind, PortProtocol.UDP)

    def _json(self) -> dict[str, Any]:
        return some(host=self.host_port, guest=self.guest_port, bind=self.bind,
                    protocol=text(self.protocol, "protocol"))


Ports = Union[Mapping[int, int], Sequence[Union[PortBinding, Mapping[str, Any], str]]]


def ports_json(ports: Ports) -> list[Any]:
    """{host: guest}, bindings, or texts such as "127.0.0.1:8080:80/udp"."""
    if isinstance(ports, Mapping):
        return [PortBinding(host, guest)._json() for host, guest in ports.items()]
    if isinstance(ports, str):
        raise TypeError("ports is a mapping or a sequence, not a str")
    return [p if isinstance(p, str) else make(PortBinding, p)._json() for p in ports]


Port = Union[int, str]


@dataclass(frozen=True)
class Rule:
    """One rule of a policy; the first one that fits decides.

    destination is "*", a group ("public", "private", "loopback", "link-local", "metadata",
    "multicast", "host", "dns"), ".suffix", a domain, an address, or a network; None is any. A port
    may be a range: "8000-9000".
    """

    action: Action | str
    direction: Direction | str = Direction.EGRESS
    destination: str | None = None
    protocol: Protocol | str | None = None
    port: Port | None = None
    protocols: Sequence[Protocol | str] | None = None
    ports: Sequence[Port] | None = None

    @classmethod
    def allow(cls, destination: str | None = None, *,
              direction: Direction | str = Direction.EGRESS,
              protocol: Protocol | str | None = None, port: Port | None = None,
              protocols: Sequence[Protocol | str] | None = None,
              ports: Sequence[Port] | None = None) -> Rule:
        return cls(Action.ALLOW, direction, destination, protocol, port, protocols, ports)

    @classmethod
    def deny(cls, destination: str | None = None, *,
             direction: Direction | str = Direction.EGRESS,
             protocol: Protocol | str | None = None, port: Port | None = None,
             protocols: Sequence[Protocol | str] | None = None,
             ports: Sequence[Port] | None = None) -> Rule:
        return cls(Action.DENY, direction, destination, protocol, port, protocols, ports)

    @classmethod
    def allow_dns(cls) -> tuple[Rule, Rule]:
        """May names be resolved: over UDP and TCP."""
        return (cls.allow("dns", protocol=Protocol.UDP, port=53),
                cls.allow("dns", protocol=Protocol.TCP, port=53))

    def _json(self) -> dict[str, Any]:
        return some(
            action=text(self.action, "action"), direction=text(self.direction, "direction"),
            destination=self.destination,
            protocol=None if self.protocol is None else text(self.protocol, "protocol"),
            port=self.port,
            protocols=None if self.protocols is None else texts(self.protocols, "protocols"),
            ports=None if self.ports is None else list(self.ports))


RuleLike = Union[Rule, Mapping[str, Any], str]


@dataclass(frozen=True)
class NetworkPolicy:
    """What a guest may reach, and who may reach it. A rule may be a word of the command line:
    "allow@example.com:tcp:443"."""

    default_egress: Action | str = Action.DENY
    default_ingress: Action | str = Action.ALLOW
    rules: Sequence[RuleLike] = ()

    @classmethod
    def none(cls) -> str:
        return "none"

    @classmethod
    def public_only(cls) -> str:
        return "public_only"

    @classmethod
    def allow_all(cls) -> str:
        return "allow_all"

    @classmethod
    def non_local(cls) -> str:
        return "non_local"

    def _json(self) -> dict[str, Any]:
        if isinstance(self.rules, str):
            raise TypeError("rules is a sequence of rules, not a str")
        return {"default_egress": text(self.default_egress, "default_egress"),
                "default_ingress": text(self.default_ingress, "default_ingress"),
                "rules": [r if isinstance(r, str) else make(Rule, r)._json() for r in self.rules]}


@dataclass(frozen=True)
class DnsConfig:
    """How a guest resolves names."""

    rebind_protection: bool | None = None
    """None: as the library does it, on."""
    nameservers: Sequence[str] = ()
    query_timeout_ms: int | None = None

    def _json(self) -> dict[str, Any]:
        return some(rebind_protection=self.rebind_protection,
                    nameservers=texts(self.nameservers, "nameservers") or None,
                    query_timeout_ms=self.query_timeout_ms)


@dataclass(frozen=True)
class TlsConfig:
    """Interception of TLS; having one turns it on. None is the library's default."""

    bypass: Sequence[str] = ()
    verify_upstream: bool | None = None
    intercepted_ports: Sequence[int] | None = None
    block_quic: bool | None = None
    ca_cert: StrPath | None = None
    ca_key: StrPath | None = None
    upstream_ca_certs: Sequence[StrPath] = ()
    intercept: bool | None = None

    def _json(self) -> dict[str, Any]:
        # An object without any key would say nothing.
        return some(intercept=True if self.intercept is None else self.intercept,
                    bypass=texts(self.bypass, "bypass") or None,
                    verify_upstream=self.verify_upstream,
                    ports=None if self.intercepted_ports is None else list(self.intercepted_ports),
                    block_quic=self.block_quic,
                    ca_cert=None if self.ca_cert is None else path(self.ca_cert),
                    ca_key=None if self.ca_key is None else path(self.ca_key),
                    upstream_ca_certs=[path(p) for p in self.upstream_ca_certs] or None)


@dataclass(frozen=True)
class InterfaceOverrides:
    """Of the guest's network card."""

    mac: str | None = None
    mtu: int | None = None
    ipv4: str | None = None
    ipv6: str | None = None

    def _json(self) -> dict[str, Any]:
        return some(mac=self.mac, mtu=self.mtu, ipv4=self.ipv4, ipv6=self.ipv6)


@dataclass(frozen=True)
class Network:
    """Everything about the network of a sandbox."""

    policy: NetworkPolicy | Mapping[str, Any] | str | None = None
    """Or "none", "public_only" (which is the default), "allow_all", "non_local"."""
    deny_domains: Sequence[str] = ()
    deny_domain_suffixes: Sequence[str] = ()
    dns: DnsConfig | Mapping[str, Any] | None = None
    tls: TlsConfig | Mapping[str, Any] | None = None
    ports: Ports = ()
    ipv4_pool: str | None = None
    ipv6_pool: str | None = None
    max_connections: int | None = None
    trust_host_cas: bool | None = None
    interface: InterfaceOverrides | Mapping[str, Any] | None = None
    enabled: bool | None = None
    """False: the guest has no network card at all."""

    @classmethod
    def none(cls) -> Network:
        return cls(policy="none")

    @classmethod
    def public_only(cls) -> Network:
        return cls(policy="public_only")

    @classmethod
    def allow_all(cls) -> Network:
        return cls(policy="allow_all")

    @classmethod
    def non_local(cls) -> Network:
        return cls(policy="non_local")

    def _json(self) -> dict[str, Any]:
        policy = self.policy
        return some(
            policy=policy if policy is None or isinstance(policy, str)
            else make(NetworkPolicy, policy)._json(),
            deny_domains=texts(self.deny_domains, "deny_domains") or None,
            deny_domain_suffixes=texts(self.deny_domain_suffixes, "deny_domain_suffixes") or None,
            dns=None if self.dns is None else make(DnsConfig, self.dns)._json(),
            tls=None if self.tls is None else make(TlsConfig, self.tls)._json(),
            ports=ports_json(self.ports) or None,
            ipv4_pool=self.ipv4_pool, ipv6_pool=self.ipv6_pool,
            max_connections=self.max_connections, trust_host_cas=self.trust_host_cas,
            interface=None if self.interface is None
            else make(InterfaceOverrides, self.interface)._json(),
            enabled=self.enabled)


__all__ = ["DnsConfig", "InterfaceOverrides", "Network", "NetworkPolicy", "PortBinding", "Rule",
           "TlsConfig"]
