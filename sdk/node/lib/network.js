// SPDX-License-Identifier: Apache-2.0
// Builders of a sandbox's network: policy, DNS, TLS interception, ports, secrets.
import { Builder, nested } from "./parts.js";

/** What a rule is about, as text for the library. */
export const Destination = Object.freeze({
  any: () => "*",
  ip: (address) => address,
  cidr: (prefix) => prefix,
  domain: (name) => `domain=${name}`,
  domainSuffix: (name) => `suffix=${name.replace(/^\*?\./, "")}`,
  group: (name) => name,
});

const rule = (action, direction) => (destination) => ({ action, direction, destination });

/** Rules, first match wins. Add protocol(s) and port(s) as keys where they matter. */
export const Rule = Object.freeze({
  allowEgress: rule("allow", "egress"),
  denyEgress: rule("deny", "egress"),
  allowIngress: rule("allow", "ingress"),
  denyIngress: rule("deny", "ingress"),
  allowAny: rule("allow", "any"),
  denyAny: rule("deny", "any"),
  allowDns: () => "allow@dns",
});

export const NetworkPolicy = Object.freeze({
  none: () => "none",
  publicOnly: () => "public_only",
  allowAll: () => "allow_all",
  nonLocal: () => "non_local",
  builder: () => new NetworkPolicyBuilder(),
});

class DestinationBuilder {
  #done;

  constructor(done) { this.#done = done; }
  any() { return this.#done(Destination.any()); }
  ip(address) { return this.#done(Destination.ip(address)); }
  cidr(prefix) { return this.#done(Destination.cidr(prefix)); }
  domain(name) { return this.#done(Destination.domain(name)); }
  domainSuffix(name) { return this.#done(Destination.domainSuffix(name)); }
  group(name) { return this.#done(Destination.group(name)); }
}

const groups = {
  Public: "public", Private: "private", Loopback: "loopback", LinkLocal: "link-local",
  Meta: "metadata", Multicast: "multicast", Host: "host",
};
// What is near: this machine and its link, but not its metadata.
const local = ["loopback", "link-local", "host"];

/** Direction, protocols and ports count for all rules that follow them. */
export class RuleBuilder {
  #direction;
  #protocols = [];
  #ports = [];
  #rules;

  constructor(rules, direction = "egress") {
    this.#rules = rules;
    this.#direction = direction;
  }

  #add(action, ...destinations) {
    for (const destination of destinations) {
      const one = { action, direction: this.#direction, destination };
      if (this.#protocols.length) one.protocols = [...this.#protocols];
      if (this.#ports.length) one.ports = [...this.#ports];
      this.#rules.push(one);
    }
    return this;
  }

  #set(direction) {
    this.#direction = direction;
    return this;
  }

  #protocol(name) {
    this.#protocols.push(name);
    return this;
  }

  egress() { return this.#set("egress"); }
  ingress() { return this.#set("ingress"); }
  any() { return this.#set("any"); }
  tcp() { return this.#protocol("tcp"); }
  udp() { return this.#protocol("udp"); }
  icmpv4() { return this.#protocol("icmpv4"); }
  icmpv6() { return this.#protocol("icmpv6"); }
  port(port) { return this.ports([port]); }
  portRange(low, high) { return this.ports([`${low}-${high}`]); }
  ports(ports) {
    this.#ports.push(...ports);
    return this;
  }

  allowLocal() { return this.#add("allow", ...local); }
  denyLocal() { return this.#add("deny", ...local); }
  allowDomain(name) { return this.#add("allow", Destination.domain(name)); }
  denyDomain(name) { return this.#add("deny", Destination.domain(name)); }
  allowDomains(names) { return this.#add("allow", ...names.map(Destination.domain)); }
  denyDomains(names) { return this.#add("deny", ...names.map(Destination.domain)); }
  allowDomainSuffix(name) { return this.#add("allow", Destination.domainSuffix(name)); }
  denyDomainSuffix(name) { return this.#add("deny", Destination.domainSuffix(name)); }
  allowDomainSuffixes(names) { return this.#add("allow", ...names.map(Destination.domainSuffix)); }
  denyDomainSuffixes(names) { return this.#add("deny", ...names.map(Destination.domainSuffix)); }
  allow(f) { return f(new DestinationBuilder((d) => this.#add("allow", d))), this; }
  deny(f) { return f(new DestinationBuilder((d) => this.#add("deny", d))), this; }
  allowDns() { return this.#rules.push(Rule.allowDns()), this; }
}

for (const [name, group] of Object.entries(groups)) {
  for (const action of ["allow", "deny"]) {
    Object.defineProperty(RuleBuilder.prototype, action + name, {
      value() { return this[action]((d) => d.group(group)); },
      writable: true,
      configurable: true,
    });
  }
}

/** A policy of one's own: what no rule decides is denied on the way out, allowed on the way in. */
export class NetworkPolicyBuilder {
  #options = { defaultEgress: "deny", defaultIngress: "allow", rules: [] };

  #default(egress, ingress) {
    if (egress) this.#options.defaultEgress = egress;
    if (ingress) this.#options.defaultIngress = ingress;
    return this;
  }

  #rule(f, direction) {
    if (typeof f === "function") f(new RuleBuilder(this.#options.rules, direction));
    else this.#options.rules.push(f);
    return this;
  }

  defaultAllow() { return this.#default("allow", "allow"); }
  defaultDeny() { return this.#default("deny", "deny"); }
  defaultEgress(action) { return this.#default(action); }
  defaultIngress(action) { return this.#default(undefined, action); }
  rule(f) { return this.#rule(f, "egress"); }
  egress(f) { return this.#rule(f, "egress"); }
  ingress(f) { return this.#rule(f, "ingress"); }
  any(f) { return this.#rule(f, "any"); }
  options() { return { ...this.#options, rules: [...this.#options.rules] }; }
  build() { return this.options(); }
}

export class DnsBuilder extends Builder {
  rebindProtection(on) { return this.set("rebindProtection", on); }
  nameservers(servers) { return this.set("nameservers", servers); }
  queryTimeoutMs(ms) { return this.set("queryTimeoutMs", ms); }
}

export class TlsBuilder extends Builder {
  intercept(on = true) { return this.set("intercept", on); }
  bypass(pattern) { return this.push("bypass", ...[pattern].flat()); }
  verifyUpstream(on) { return this.set("verifyUpstream", on); }
  interceptedPorts(ports) { return this.set("ports", ports); }
  blockQuic(on) { return this.set("blockQuic", on); }
  upstreamCaCert(path) { return this.push("upstreamCaCerts", path); }
  interceptCaCert(path) { return this.set("caCert", path); }
  interceptCaKey(path) { return this.set("caKey", path); }
}

export class InterfaceBuilder extends Builder {
  mac(address) { return this.set("mac", address); }
  mtu(bytes) { return this.set("mtu", bytes); }
  ipv4(address) { return this.set("ipv4", address); }
  ipv6(address) { return this.set("ipv6", address); }
}

export class ViolationBuilder {
  #action;
  #hosts;

  #set(action) {
    this.#action = action;
    this.#hosts = undefined;
    return this;
  }

  #pass(host) {
    (this.#hosts ??= []).push(host);
    return this;
  }

  block() { return this.#set("block"); }
  blockAndLog() { return this.#set("block-and-log"); }
  blockAndTerminate() { return this.#set("block-and-terminate"); }
  passthroughHost(host) { return this.#pass(host); }
  passthroughHostPattern(pattern) { return this.#pass(pattern); }
  passthroughAllHosts(yes) { return yes === true ? this.#pass("*") : this; }
  options() { return this.#hosts ? { passthrough: [...this.#hosts] } : this.#action ?? "block-and-log"; }
}

/** An action by name, an object, or a closure. */
export const violationOf = (f) =>
  typeof f === "string" ? f : nested(new ViolationBuilder(), f, "the violation");

export class SecretBuilder extends Builder {
  #inject(place, on) { return this.set("inject", { ...this.get("inject"), [place]: on }); }

  env(name) { return this.set("env", name); }
  value(value) { return this.set("value", value); }
  fromEnv(name) { return this.set("fromEnv", name); }
  fromFile(path) { return this.set("fromFile", path); }
  placeholder(text) { return this.set("placeholder", text); }
  allowHost(host) { return this.push("hosts", host); }
  allowHostPattern(pattern) { return this.push("hostPatterns", pattern); }
  allowAnyHostDangerous(acknowledged) { return this.set("allowAnyHost", acknowledged); }
  requireTlsIdentity(on) { return this.set("requireTls", on); }
  injectHeaders(on = true) { return this.#inject("headers", on); }
  injectBasicAuth(on = true) { return this.#inject("basicAuth", on); }
  injectQuery(on = true) { return this.#inject("query", on); }
  injectBody(on = true) { return this.#inject("body", on); }
  onViolation(f) { return this.set("onViolation", violationOf(f)); }
}

const portOf = (protocol) => function add(host, guest, bind) {
  return this.push("ports", { host, guest, bind, protocol });
};

/** Methods for published ports, which the sandbox's builder has, too. */
export const portMethods = {
  port(host, guest) { return portOf("tcp").call(this, host, guest); },
  portBind(bind, host, guest) { return portOf("tcp").call(this, host, guest, bind); },
  portUdp(host, guest) { return portOf("udp").call(this, host, guest); },
  portUdpBind(bind, host, guest) { return portOf("udp").call(this, host, guest, bind); },
};

export class NetworkBuilder extends Builder {
  /** Secrets and what becomes of violations are the sandbox's: its builder asks for them. */
  secrets = [];
  violation;

  enabled(on) { return this.set("enabled", on); }
  /** A preset's name, an object {defaultEgress, defaultIngress, rules}, a builder or a closure. */
  policy(policy) {
    return this.set("policy", typeof policy === "string" ? policy
      : nested(new NetworkPolicyBuilder(), policy, "the policy"));
  }

  denyDomains(names) { return this.push("denyDomains", ...names); }
  denyDomainSuffixes(names) { return this.push("denyDomainSuffixes", ...names); }
  dns(f) { return this.set("dns", nested(new DnsBuilder(), f, "dns")); }
  tls(f) { return this.set("tls", nested(new TlsBuilder(), f, "tls")); }
  ipv4Pool(cidr) { return this.set("ipv4Pool", cidr); }
  ipv6Pool(cidr) { return this.set("ipv6Pool", cidr); }
  interface(f) { return this.set("interface", nested(new InterfaceBuilder(), f, "interface")); }
  maxConnections(n) { return this.set("maxConnections", n); }
  trustHostCAs(on) { return this.set("trustHostCas", on); }
  secret(f) { return this.secrets.push(nested(new SecretBuilder(), f, "the secret")), this; }
  secretEnv(env, value, placeholder, host) {
    return this.secret({ env, value, placeholder, hosts: [host] });
  }

  secretEnvSimple(env, value, host) { return this.secret({ env, value, hosts: [host] }); }
  onSecretViolation(f) { return (this.violation = violationOf(f)), this; }
}
Object.defineProperties(NetworkBuilder.prototype, Object.getOwnPropertyDescriptors(portMethods));
