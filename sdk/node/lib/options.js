// SPDX-License-Identifier: Apache-2.0
// The shape of a sandbox's options, and their form for the library (docs/sdk.md), which checks
// what they say. Here only shapes count: unknown names and wrong types are TypeErrors.

const fail = (path, what) => {
  throw new TypeError(`${path} must be ${what}`);
};
const typed = (type, what) => (v, path) => (typeof v === type ? v : fail(path, what));

export const text = typed("string", "a string");
export const flag = typed("boolean", "a boolean");
export const number = (v, path) => (Number.isFinite(v) ? v : fail(path, "a number"));
const bytes = (v, path) =>
  v instanceof Uint8Array ? Buffer.from(v.buffer, v.byteOffset, v.byteLength).toString("base64")
    : fail(path, "a Uint8Array");

const plain = (v) => typeof v === "object" && v !== null && !Array.isArray(v);

export const list = (item) => (v, path) =>
  Array.isArray(v) ? v.map((e, i) => item(e, `${path}[${i}]`)) : fail(path, "an array");

/** An object whose keys are the user's own. */
export const map = (item) => (v, path) => {
  if (v instanceof Map) v = Object.fromEntries(v);
  if (!plain(v)) fail(path, "an object");
  return Object.fromEntries(Object.entries(v).map(([k, e]) => [k, item(e, `${path}.${k}`)]));
};

const snake = (key) => key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

/** An object with these keys; `names` has those that are spelled differently for the library. */
export const shape = (keys, names = {}) => (v, path) => {
  if (!plain(v)) fail(path, "an object");
  const out = {};
  for (const [key, value] of Object.entries(v)) {
    if (!Object.hasOwn(keys, key)) throw new TypeError(`${path}: unknown option '${key}'`);
    if (value === undefined || value === null) continue;
    out[names[key] ?? snake(key)] = keys[key](value, path ? `${path}.${key}` : key);
  }
  return out;
};

/** One of several forms, told apart by their type. */
const either = (byType) => (v, path) => {
  const one = byType[Array.isArray(v) ? "array" : typeof v];
  return one ? one(v, path) : fail(path, Object.keys(byType).join(" or "));
};

const texts = list(text);
const texted = map(text);
// What a builder has made is its options.
const built = (of) => (v, path) => of(v && typeof v.options === "function" ? v.options() : v, path);

const limit = either({ number, string: text });
export const rlimit = shape({ resource: text, soft: limit, hard: limit });

const volume = shape({ kind: text, quotaMib: limit, capacityMib: number, labels: texted });
const mount = built(shape({
  bind: text, named: text, tmpfs: flag, disk: text,
  readonly: flag, noexec: flag, nosuid: flag, nodev: flag, followSymlinks: flag,
  statVirtualization: text, hostPermissions: text, quotaMib: limit, sizeMib: number,
  format: text, fstype: text, create: text, volume,
}));

const patch = (v, path) => {
  const out = shape({
    kind: text, path: text, content: either({ string: text, object: (b) => b }), contentBase64: text,
    source: text, target: text, mode: number, replace: flag,
  }, { contentBase64: "content_base64" })(v, path);
  if (typeof out.content === "object") {
    out.content_base64 = bytes(out.content, `${path}.content`);
    delete out.content;
  }
  return out;
};

const port = either({
  string: text,
  object: shape({ host: number, guest: number, bind: text, protocol: text }),
});

const rule = either({
  string: text,
  object: shape({
    action: text, direction: text, destination: text, protocol: text, protocols: texts,
    port: either({ number, string: text }), ports: list(either({ number, string: text })),
  }),
});
const policy = built(either({
  string: text,
  object: shape({ defaultEgress: text, defaultIngress: text, rules: list(rule) }),
}));
const dns = built(shape({ rebindProtection: flag, nameservers: texts, queryTimeoutMs: number }));
const tls = built(shape({
  intercept: flag, ports: list(number), bypass: texts, verifyUpstream: flag, blockQuic: flag,
  caCert: text, caKey: text, upstreamCaCerts: texts,
}));
const network = built(shape({
  enabled: flag, policy, denyDomains: texts, denyDomainSuffixes: texts, dns, tls,
  ipv4Pool: text, ipv6Pool: text, maxConnections: number, trustHostCas: flag,
  interface: built(shape({ mac: text, mtu: number, ipv4: text, ipv6: text })), ports: list(port),
}));

const violation = built(either({ string: text, object: shape({ passthrough: texts }) }));
const secret = built(shape({
  env: text, value: text, fromEnv: text, fromFile: text, hosts: texts, hostPatterns: texts,
  allowAnyHost: flag, placeholder: text, requireTls: flag,
  inject: shape({ headers: flag, basicAuth: flag, query: flag, body: flag }),
  onViolation: violation,
}));

const image = built(either({
  string: text,
  object: shape({ oci: text, upperSizeMib: number, bind: text, disk: text, format: text, fstype: text }),
}));
const init = either({ string: text, object: shape({ cmd: text, args: texts, env: texted }) });

const sandbox = shape({
  image, snapshot: text, cpus: number, memoryMib: number, workdir: text, shell: text,
  hostname: text, user: text, env: texted, labels: texted, entrypoint: texts, cmd: texts,
  scripts: texted, init, rlimits: list(rlimit), maxDurationS: number, idleTimeoutS: number,
  replace: flag, replaceTimeoutMs: number, ephemeral: flag, pullPolicy: text,
  registry: built(shape({ username: text, password: text, insecure: flag, caCerts: text })),
  logLevel: text, metricsIntervalMs: number, engine: text, engineJail: text, engineMode: text,
  startup: texts, mounts: map(mount), patches: built(list(patch)), ports: list(port), network,
  secrets: list(secret), onSecretViolation: violation,
});

/** As the library reads it. Numbers that JSON does not have were refused. */
export const optionsJson = (options) => Buffer.from(JSON.stringify(sandbox(options, "options")));
