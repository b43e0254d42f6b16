// SPDX-License-Identifier: Apache-2.0
//! Options of a sandbox, each spelled with the builder.

use crate::args::*;
use microsandbox::json::Value;
use microsandbox::{
    Action, Destination, DestinationGroup, Direction, MountBuilder, NetworkBuilder, NetworkPolicy,
    PatchBuilder, PatchOptions, PortBinding, PortRange, Rule, SandboxBuilder, SecretBuilder,
    ViolationAction, Volume, VolumeConfig,
};
use std::time::Duration;

/// Every member of an object, one after the other.
fn each<B>(v: &Value, start: B, mut f: impl FnMut(B, &str, &Value) -> Answer<B>) -> Answer<B> {
    let members = v.as_object().map_or_else(|| type_error(format!("{v} is not an object")), Ok)?;
    members.iter().filter(|(_, v)| !v.is_null()).try_fold(start, |b, (k, v)| f(b, k, v))
}

fn unknown<T>(key: &str) -> Answer<T> {
    type_error(format!("there is no option {key}"))
}

fn items(v: &Value) -> Answer<&[Value]> {
    v.as_array().map_or_else(|| type_error(format!("{v} is not a list")), Ok)
}

/// A nested builder, within the closure that makes it.
macro_rules! nested {
    ($b:expr, $method:ident($($arg:expr),*), $f:expr) => {{
        let mut error = None;
        let b = $b.$method($($arg,)* |inner| {
            let fallback = inner.clone();
            match $f(inner) {
                Ok(inner) => inner,
                Err(e) => {
                    error = Some(e);
                    fallback
                }
            }
        });
        match error {
            Some(e) => Err(e),
            None => Ok(b),
        }
    }};
}

pub fn apply(b: SandboxBuilder, options: &Value) -> Answer<SandboxBuilder> {
    each(options, b, |b, key, v| {
        Ok(match key {
            "image" => match v.as_str() {
                Some(image) => b.image(image),
                None => nested!(b, image_with(), |i| each(
                    v,
                    i,
                    |i: microsandbox::ImageBuilder, k, v| {
                        Ok(match k {
                            "oci" => i.oci(as_text(v)?),
                            "upper_size_mib" => i.upper_size(as_int::<u32>(v)?),
                            "bind" => i.bind(as_text(v)?),
                            "disk" => i.disk(as_text(v)?),
                            "format" => i.format(as_text(v)?.parse()?),
                            "fstype" => i.fstype(as_text(v)?),
                            _ => return unknown(k),
                        })
                    }
                ))?,
            },
            "snapshot" => b.from_snapshot(as_text(v)?),
            "cpus" => b.cpus(as_int(v)?),
            "memory_mib" => b.memory(as_int::<u32>(v)?),
            "workdir" => b.workdir(as_text(v)?),
            "shell" => b.shell(as_text(v)?),
            "hostname" => b.hostname(as_text(v)?),
            "user" => b.user(as_text(v)?),
            "engine" => b.engine(as_text(v)?),
            "env" => b.envs(as_pairs(v)?),
            "labels" => b.labels(as_pairs(v)?),
            "scripts" => b.scripts(as_pairs(v)?),
            "entrypoint" => b.entrypoint(as_texts(v)?),
            "cmd" => b.cmd(as_texts(v)?),
            "startup" => b.startup(as_texts(v)?),
            "init" => init(b, v)?,
            "rlimits" => items(v)?.iter().try_fold(b, |b, v| rlimit(b, Args(v)))?,
            "max_duration_s" => b.max_duration(as_int(v)?),
            "idle_timeout_s" => b.idle_timeout(as_int(v)?),
            "replace" if as_bool(v)? => b.replace(),
            "replace" => b,
            "replace_timeout_ms" => b.replace_with_timeout(Duration::from_millis(as_int(v)?)),
            "ephemeral" => b.ephemeral(as_bool(v)?),
            "pull_policy" => b.pull_policy(as_text(v)?.parse()?),
            "log_level" => b.log_level(as_text(v)?.parse()?),
            "metrics_interval_ms" => b.metrics_sample_interval(Duration::from_millis(as_int(v)?)),
            "mounts" => each(v, b, |b, path, v| nested!(b, volume(path), |m| mount(m, v)))?,
            "patches" => nested!(b, patch(), |p| items(v)?.iter().try_fold(p, patch))?,
            "ports" => items(v)?.iter().try_fold(b, |b, v| match v.as_str() {
                Some(spec) => Ok::<_, Failure>(b.port_spec(spec)),
                None => Ok(b.publish(port(v)?)),
            })?,
            "network" => nested!(b, network(), |n| network(n, v))?,
            "secrets" => {
                items(v)?.iter().try_fold(b, |b, v| nested!(b, secret(), |s| secret(s, v)))?
            }
            "on_secret_violation" => b.on_secret_violation(violation(v)?),
            _ => return unknown(key),
        })
    })
}

fn init(b: SandboxBuilder, v: &Value) -> Answer<SandboxBuilder> {
    if let Some(program) = v.as_str() {
        return Ok(b.init(program));
    }
    let program = Args(v).text("cmd")?;
    nested!(b, init_with(program), |i| each(v, i, |i: microsandbox::InitBuilder, k, v| {
        Ok(match k {
            "cmd" => i,
            "args" => i.args(as_texts(v)?),
            "env" => as_pairs(v)?.into_iter().fold(i, |i, (k, v)| i.env(k, v)),
            _ => return unknown(k),
        })
    }))
}

fn rlimit(b: SandboxBuilder, v: Args<'_>) -> Answer<SandboxBuilder> {
    let (resource, soft) = (v.text("resource")?, v.int("soft")?);
    Ok(b.rlimit_range(resource, soft, v.int_or("hard")?.unwrap_or(soft)))
}

fn mount(m: MountBuilder, v: &Value) -> Answer<MountBuilder> {
    each(v, m, |m, key, v| {
        Ok(match key {
            "bind" => m.bind(as_text(v)?),
            "named" => m.named(as_text(v)?),
            "tmpfs" => m.tmpfs(),
            "disk" => m.disk(as_text(v)?),
            "readonly" if as_bool(v)? => m.readonly(),
            "noexec" if as_bool(v)? => m.noexec(),
            "nosuid" if as_bool(v)? => m.nosuid(),
            "nodev" if as_bool(v)? => m.nodev(),
            "follow_symlinks" if as_bool(v)? => m.follow_symlinks(),
            "readonly" | "noexec" | "nosuid" | "nodev" | "follow_symlinks" => m,
            "stat_virtualization" => m.stat_virtualization(as_text(v)?.parse()?),
            "host_permissions" => m.host_permissions(as_text(v)?.parse()?),
            "quota_mib" => m.quota(as_int::<u64>(v)?),
            "size_mib" => m.size(as_int::<u64>(v)?),
            "format" => m.format(as_text(v)?.parse()?),
            "fstype" => m.fstype(as_text(v)?),
            "create" => m.create(as_text(v)?.parse()?),
            "volume" => m.volume(volume(v)?),
            _ => return unknown(key),
        })
    })
}

fn volume(v: &Value) -> Answer<VolumeConfig> {
    let b = each(v, Volume::builder(""), |b, key, v| {
        Ok(match key {
            "kind" => b,
            "quota_mib" => b.quota(as_int::<u64>(v)?),
            "capacity_mib" => b.disk(as_int::<u64>(v)?),
            "labels" => as_pairs(v)?.into_iter().fold(b, |b, (k, v)| b.label(k, v)),
            _ => return unknown(key),
        })
    })?;
    Ok(b.build())
}

fn patch(p: PatchBuilder, v: &Value) -> Answer<PatchBuilder> {
    const KEYS: [&str; 8] =
        ["kind", "path", "content", "content_base64", "source", "target", "mode", "replace"];
    each(v, (), |_, k, _| if KEYS.contains(&k) { Ok(()) } else { unknown(k) })?;
    let a = Args(v);
    let (path, replace) = (a.text("path")?, a.flag("replace")?);
    let mode = a.int_or("mode")?;
    let o = PatchOptions { mode, replace };
    let content = || match a.text_or("content_base64")? {
        Some(text) => decode(text),
        None => Ok(a.text("content")?.into()),
    };
    Ok(match a.text("kind")? {
        "text" => p.text(path, a.text("content")?, o),
        "file" => p.file(path, content()?, o),
        "append" => p.append(path, content()?),
        "copy_file" => p.copy_file(a.text("source")?, path, o),
        "copy_dir" => p.copy_dir(a.text("source")?, path, replace),
        "symlink" => p.symlink(a.text("target")?, path, replace),
        "mkdir" => p.mkdir(path, mode),
        "remove" => p.remove(path),
        kind => return type_error(format!("there is no patch {kind}")),
    })
}

fn port(v: &Value) -> Answer<PortBinding> {
    let start = PortBinding { host_port: 0, guest_port: 0, bind: None, udp: false };
    each(v, start, |mut p, key, v| {
        match key {
            "host" => p.host_port = as_int(v)?,
            "guest" => p.guest_port = as_int(v)?,
            "protocol" => p.udp = as_text(v)? == "udp",
            "bind" => match as_text(v)?.parse() {
                Ok(bind) => p.bind = Some(bind),
                Err(e) => return type_error(format!("{e}")),
            },
            _ => return unknown(key),
        }
        Ok(p)
    })
}

fn network(n: NetworkBuilder, v: &Value) -> Answer<NetworkBuilder> {
    each(v, n, |n, key, v| {
        Ok(match key {
            "enabled" => n.enabled(as_bool(v)?),
            "policy" => n.policy(policy(v)?),
            "deny_domains" => n.deny_domains(as_texts(v)?),
            "deny_domain_suffixes" => n.deny_domain_suffixes(as_texts(v)?),
            "dns" => nested!(n, dns(), |d| each(v, d, |d: microsandbox::DnsBuilder, k, v| {
                Ok(match k {
                    "rebind_protection" => d.rebind_protection(as_bool(v)?),
                    "nameservers" => d.nameservers(as_texts(v)?),
                    "query_timeout_ms" => d.query_timeout(Duration::from_millis(as_int(v)?)),
                    _ => return unknown(k),
                })
            }))?,
            "tls" => nested!(n, tls(), |t| each(v, t, |t: microsandbox::TlsBuilder, k, v| {
                Ok(match k {
                    "intercept" => t.intercept(as_bool(v)?),
                    "ports" => {
                        let ports = items(v)?.iter().map(as_int).collect::<Answer<Vec<u16>>>()?;
                        t.intercepted_ports(ports)
                    }
                    "bypass" => as_texts(v)?.into_iter().fold(t, |t, p| t.bypass(p)),
                    "verify_upstream" => t.verify_upstream(as_bool(v)?),
                    "block_quic" => t.block_quic(as_bool(v)?),
                    _ => return unknown(k),
                })
            }))?,
            "ipv4_pool" => n.ipv4_pool(as_text(v)?),
            "ipv6_pool" => n.ipv6_pool(as_text(v)?),
            "max_connections" => n.max_connections(as_int(v)?),
            "trust_host_cas" => n.trust_host_cas(as_bool(v)?),
            "ports" => {
                items(v)?.iter().try_fold(n, |n, v| Ok::<_, Failure>(n.publish(port(v)?)))?
            }
            _ => return unknown(key),
        })
    })
}

fn policy(v: &Value) -> Answer<NetworkPolicy> {
    if let Some(name) = v.as_str() {
        return Ok(match name {
            "none" => NetworkPolicy::none(),
            "public_only" => NetworkPolicy::public_only(),
            "allow_all" => NetworkPolicy::allow_all(),
            "non_local" => NetworkPolicy::non_local(),
            _ => return type_error(format!("there is no policy {name}")),
        });
    }
    let b = each(v, NetworkPolicy::builder(), |b, key, v| {
        Ok(match key {
            "default_egress" => b.default_egress(as_text(v)?.parse()?),
            "default_ingress" => b.default_ingress(as_text(v)?.parse()?),
            "rules" => items(v)?.iter().try_fold(b, |b, v| Ok::<_, Failure>(b.rule(rule(v)?)))?,
            _ => return unknown(key),
        })
    })?;
    Ok(b.build())
}

fn destination(text: &str) -> Destination {
    if text == "*" {
        Destination::Any
    } else if let Ok(group) = text.parse::<DestinationGroup>() {
        group.into()
    } else if let Some(suffix) = text.strip_prefix('.') {
        Destination::suffix(suffix)
    } else if let Ok(ip) = text.parse() {
        Destination::Ip(ip)
    } else if text.contains('/') {
        Destination::Cidr(text.into())
    } else {
        Destination::Domain(text.into())
    }
}

fn ports(v: &Value) -> Answer<PortRange> {
    let text = match v.as_str() {
        Some(text) => text,
        None => return Ok(as_int::<u16>(v)?.into()),
    };
    match text.split_once('-').map(|(lo, hi)| (lo.parse(), hi.parse())) {
        Some((Ok(lo), Ok(hi))) => Ok(PortRange { lo, hi }),
        _ => type_error(format!("{text} is not a range of ports")),
    }
}

fn rule(v: &Value) -> Answer<Rule> {
    if let Some(token) = v.as_str() {
        return Ok(Rule::token(token));
    }
    let a = Args(v);
    let action: Action = a.text("action")?.parse()?;
    let direction: Direction = a.text_or("direction")?.unwrap_or("egress").parse()?;
    let rule = Rule::new(action, direction, destination(a.text_or("destination")?.unwrap_or("*")));
    each(v, rule, |rule, key, v| {
        Ok(match key {
            "action" | "direction" | "destination" => rule,
            "protocol" => rule.protocol(as_text(v)?.parse()?),
            "protocols" => as_texts(v)?
                .iter()
                .try_fold(rule, |r, p| Ok::<_, Failure>(r.protocol(p.parse()?)))?,
            "port" => rule.port(ports(v)?),
            "ports" => {
                items(v)?.iter().try_fold(rule, |r, p| Ok::<_, Failure>(r.port(ports(p)?)))?
            }
            _ => return unknown(key),
        })
    })
}

fn secret(s: SecretBuilder, v: &Value) -> Answer<SecretBuilder> {
    each(v, s, |s, key, v| {
        Ok(match key {
            "env" => s.env(as_text(v)?),
            "value" => s.value(as_text(v)?),
            "from_env" => s.from_env(as_text(v)?),
            "from_file" => s.from_file(as_text(v)?),
            "hosts" => as_texts(v)?.into_iter().fold(s, |s, h| s.allow_host(h)),
            "host_patterns" => as_texts(v)?.into_iter().fold(s, |s, h| s.allow_host_pattern(h)),
            "allow_any_host" => s.allow_any_host_dangerous(as_bool(v)?),
            "placeholder" => s.placeholder(as_text(v)?),
            "require_tls" => s.require_tls_identity(as_bool(v)?),
            "inject" => each(v, s, |s, key, v| {
                let on = as_bool(v)?;
                Ok(match key {
                    "headers" => s.inject_headers(on),
                    "basic_auth" => s.inject_basic_auth(on),
                    "query" => s.inject_query(on),
                    "body" => s.inject_body(on),
                    _ => return unknown(key),
                })
            })?,
            "on_violation" => s.on_violation(violation(v)?),
            _ => return unknown(key),
        })
    })
}

fn violation(v: &Value) -> Answer<ViolationAction> {
    Ok(match v.as_str() {
        Some("block") => ViolationAction::Block,
        Some("block-and-log") => ViolationAction::BlockAndLog,
        Some("block-and-terminate") => ViolationAction::BlockAndTerminate,
        Some("passthrough") => ViolationAction::Passthrough(Vec::new()),
        Some(other) => return type_error(format!("there is no action {other}")),
        None => ViolationAction::Passthrough(Args(v).texts("passthrough")?),
    })
}
