// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"strconv"

	msb "github.com/superradcompany/microsandbox/sdk/go"
)

type network struct {
	Enabled            *bool
	Policy             json.RawMessage
	DenyDomains        []string `json:"deny_domains"`
	DenyDomainSuffixes []string `json:"deny_domain_suffixes"`
	DNS                *struct {
		RebindProtection *bool `json:"rebind_protection"`
		Nameservers      []string
		QueryTimeout     *uint64 `json:"query_timeout_ms"`
	}
	TLS *struct {
		Intercept      *bool
		Ports          []uint16
		Bypass         []string
		VerifyUpstream *bool    `json:"verify_upstream"`
		BlockQUIC      *bool    `json:"block_quic"`
		CACert         string   `json:"ca_cert"`
		CAKey          string   `json:"ca_key"`
		UpstreamCAs    []string `json:"upstream_ca_certs"`
	}
	IPv4Pool       string `json:"ipv4_pool"`
	IPv6Pool       string `json:"ipv6_pool"`
	MaxConnections *uint  `json:"max_connections"`
	TrustHostCAs   *bool  `json:"trust_host_cas"`
}

func (n *network) config() (*msb.NetworkConfig, error) {
	c := &msb.NetworkConfig{Enabled: n.Enabled, DenyDomains: n.DenyDomains, DenyDomainSuffixes: n.DenyDomainSuffixes,
		IPv4Pool: n.IPv4Pool, IPv6Pool: n.IPv6Pool, MaxConnections: n.MaxConnections, TrustHostCAs: n.TrustHostCAs}
	if d := n.DNS; d != nil {
		c.DNS = &msb.DNSConfig{RebindProtection: d.RebindProtection, Nameservers: d.Nameservers, QueryTimeoutMs: d.QueryTimeout}
	}
	if t := n.TLS; t != nil {
		c.TLS = &msb.TLSConfig{Intercept: t.Intercept, InterceptedPorts: t.Ports, Bypass: t.Bypass, VerifyUpstream: t.VerifyUpstream,
			BlockQUIC: t.BlockQUIC, CACert: t.CACert, CAKey: t.CAKey, UpstreamCACerts: t.UpstreamCAs}
	}
	if n.Policy == nil {
		return c, nil
	}
	if json.Unmarshal(n.Policy, &c.Policy) == nil {
		return c, nil
	}
	var p struct {
		Egress  string `json:"default_egress"`
		Ingress string `json:"default_ingress"`
		Rules   []json.RawMessage
	}
	if err := strict(n.Policy, &p); err != nil {
		return nil, err
	}
	c.DefaultEgress, c.DefaultIngress = msb.PolicyAction(p.Egress), msb.PolicyAction(p.Ingress)
	for _, raw := range p.Rules {
		r, err := rule(raw)
		if err != nil {
			return nil, err
		}
		c.Rules = append(c.Rules, r)
	}
	return c, nil
}

func rule(raw json.RawMessage) (msb.PolicyRule, error) {
	var token string
	if json.Unmarshal(raw, &token) == nil {
		return msb.PolicyRule{Token: token}, nil
	}
	var o struct {
		Action, Direction, Destination, Protocol string
		Protocols                                []string
		Port                                     json.RawMessage
		Ports                                    []json.RawMessage
	}
	if err := strict(raw, &o); err != nil {
		return msb.PolicyRule{}, err
	}
	r := msb.PolicyRule{Action: msb.PolicyAction(o.Action), Direction: msb.PolicyDirection(o.Direction),
		Destination: o.Destination, Protocol: msb.Protocol(o.Protocol), Port: ports(o.Port)}
	for _, p := range o.Protocols {
		r.Protocols = append(r.Protocols, msb.Protocol(p))
	}
	for _, p := range o.Ports {
		r.Ports = append(r.Ports, ports(p))
	}
	return r, nil
}

// ports is a number, or a text.
func ports(raw json.RawMessage) string {
	var n int
	if raw != nil && json.Unmarshal(raw, &n) == nil {
		return strconv.Itoa(n)
	}
	var text string
	_ = json.Unmarshal(raw, &text)
	return text
}
