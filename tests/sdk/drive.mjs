// SPDX-License-Identifier: Apache-2.0
// Does what lines of JSON say (ops.md) with the package for Node.js.
import path from "node:path";
import process from "node:process";
import readline from "node:readline";
import { pathToFileURL } from "node:url";

const msb = await import(pathToFileURL(path.join(process.env.MSB_NODE_PACKAGE, "index.js")));
const { AgentClient, Image, MicrosandboxError, Sandbox, Snapshot, Volume, asyncDispose } = msb;

class DriverError extends Error {}

const objects = new Map();
const running = new Map(); // background requests: their AbortController

// ---- values ----

const b64 = (data) => ({ b64: Buffer.from(data).toString("base64") });
const bytes = (v) => (typeof v === "string" ? Buffer.from(v) : Buffer.from(v.b64, "base64"));
const isBytes = (v) => typeof v === "object" && v !== null && typeof v.b64 === "string";
const ms = (date) => (date ? date.getTime() : null);
const snake = (key) => key.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);
const camel = (key) => key.replace(/_([a-z0-9])/g, (_, c) => c.toUpperCase());

/** Names of maps whose keys are no options. */
const maps = new Set(["env", "labels", "scripts", "mounts"]);

/** Options as they are spelled in JavaScript. */
function spelled(value, key = "") {
  if (isBytes(value)) return bytes(value);
  if (Array.isArray(value)) return value.map((v) => spelled(v));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) =>
    maps.has(key) ? [k, spelled(v)] : [camel(k), spelled(v, k)]));
}

function object(name) {
  if (!objects.has(name)) throw new DriverError(`no object '${name}'`);
  return objects.get(name);
}

async function drop(name) {
  const o = objects.get(name);
  objects.delete(name);
  await o?.[asyncDispose]?.();
}

async function keep(name, o) {
  await drop(name);
  objects.set(name, o);
  return o;
}

/** A live object, a handle, or the handle of that name. */
const subject = async (a) => (a.sandbox ? object(a.sandbox) : Sandbox.get(a.name));
const nameOf = (a) => (a.sandbox ? object(a.sandbox).name : a.name);

// ---- sandboxes ----

const methods = {
  image: "image", snapshot: "fromSnapshot", cpus: "cpus", memory_mib: "memory", workdir: "workdir",
  shell: "shell", hostname: "hostname", user: "user", env: "envs", labels: "labels",
  scripts: "scripts", entrypoint: "entrypoint", cmd: "cmd", max_duration_s: "maxDuration",
  idle_timeout_s: "idleTimeout", replace: "replace", replace_timeout_ms: "replaceWithTimeout",
  ephemeral: "ephemeral", pull_policy: "pullPolicy", log_level: "logLevel",
  metrics_interval_ms: "metricsSampleIntervalMs", engine: "engine", on_secret_violation: "onSecretViolation",
  network: "network", patches: "patch",
};

function patches(b, list) {
  for (const { kind, path: at, content, content_base64: encoded, source, target, ...rest } of list) {
    const options = spelled(rest);
    const data = encoded === undefined ? content : Buffer.from(encoded, "base64");
    if (kind === "copy_file") b.copyFile(source, at, options);
    else if (kind === "copy_dir") b.copyDir(source, at, options);
    else if (kind === "symlink") b.symlink(target, at, options);
    else if (kind === "mkdir" || kind === "remove") b[kind](at, options);
    else if (["text", "file", "append"].includes(kind)) b[kind](at, data, options);
    else throw new TypeError(`no patch '${kind}'`);
  }
  return b;
}

/** Most options by their own method; those of lists and of what is plain, as objects. */
function builder(name, options) {
  const b = Sandbox.builder(name);
  for (const [key, value] of Object.entries(options)) {
    if (key === "mounts") {
      for (const [guest, m] of Object.entries(value)) b.volume(guest, spelled(m));
    } else if (key === "secrets") for (const s of value) b.secret(spelled(s));
    else if (key === "rlimits") {
      for (const r of value) {
        if (r.hard === undefined) b.rlimit(r.resource, r.soft);
        else b.rlimitRange(r.resource, r.soft, r.hard);
      }
    } else if (key === "init") {
      if (typeof value === "string") b.init(value);
      else b.initWith(value.cmd, (i) => i.args(value.args ?? []).envs(value.env ?? {}));
    } else if (key === "ports") b.set("ports", spelled(value));
    else if (key === "patches") b.patch((p) => patches(p, value));
    else if (!Object.hasOwn(methods, key)) throw new TypeError(`no option '${key}'`);
    else b[methods[key]](spelled(value, key));
  }
  return b;
}

const row = (h) => ({
  name: h.name, status: h.status, config: JSON.parse(h.configJson),
  created_ms: ms(h.createdAt), updated_ms: ms(h.updatedAt),
});

// ---- commands ----

const output = (o) =>
  ({ code: o.code, signal: o.signal, stdout: b64(o.stdoutBytes()), stderr: b64(o.stderrBytes()) });

function execOptions(a, signal) {
  return (o) => {
    if (a.args) o.args(a.args);
    if (a.cwd) o.cwd(a.cwd);
    if (a.env) o.envs(a.env);
    if (a.user) o.user(a.user);
    if (a.timeout_ms !== undefined && a.timeout_ms !== null) o.timeout(a.timeout_ms);
    if (a.tty) o.tty();
    for (const r of a.rlimits ?? []) o.rlimitRange(r.resource, r.soft, r.hard ?? r.soft);
    if (a.stdin === "pipe") o.stdinPipe();
    else if (isBytes(a.stdin)) o.stdinBytes(bytes(a.stdin));
    else if (a.stdin !== undefined && a.stdin !== null && a.stdin !== "null") throw new TypeError("stdin");
    return o.signal(signal);
  };
}

async function started(a, exec) {
  exec.sink = await exec.takeStdin();
  await keep(a.as, exec);
  return { id: exec.id };
}

function event(e) {
  if (e === null) return null;
  switch (e.kind) {
    case "failed":
      throw e.error;
    case "stdout":
    case "stderr":
      return { event: e.kind, data: b64(e.data) };
    case "started":
      return { event: "started", pid: e.pid };
    case "exited":
      return { event: "exited", code: e.code, signal: e.signal };
    default:
      return { event: e.kind, message: e.message };
  }
}

// ---- files ----

const fs = async (a) => (a.volume ? (await Volume.get(a.volume)).fs() : object(a.sandbox).fs());

async function readSum(stream) {
  let size = 0, sum = 0;
  for await (const piece of stream) {
    size += piece.length;
    for (const byte of piece) sum += byte;
  }
  return { size, sum };
}

async function writePattern(sink, size, chunk) {
  for (let at = 0; at < size; at += chunk) {
    const piece = Buffer.alloc(Math.min(chunk, size - at));
    for (let i = 0; i < piece.length; i++) piece[i] = (at + i) % 251;
    await sink.write(piece);
  }
  await sink.close();
}

// ---- logs, metrics, what is stored ----

const entry = (e) => (e === null ? null : {
  timestamp_ms: e.timestamp.getTime(), source: e.source, session: e.sessionId ?? 0, data: b64(e.data),
  cursor: e.cursor,
});
const sample = (m) => ({
  cpu_percent: m.cpuPercent, memory_bytes: m.memoryBytes, memory_limit_bytes: m.memoryLimitBytes,
  disk_read_bytes: m.diskReadBytes, disk_write_bytes: m.diskWriteBytes, net_rx_bytes: m.netRxBytes,
  net_tx_bytes: m.netTxBytes, uptime_ms: m.uptimeMs, timestamp_ms: ms(m.timestamp),
});
const volume = (v) => ({
  name: v.name, path: v.path, quota_mib: v.quotaMib, used_bytes: v.usedBytes,
  labels: Object.fromEntries(v.labels), created_ms: ms(v.createdAt),
});
const image = (i) => ({
  reference: i.reference, digest: i.manifestDigest, size_bytes: i.sizeBytes,
  architecture: i.architecture, os: i.os, layer_count: i.layerCount, created_ms: ms(i.createdAt),
  last_used_ms: ms(i.lastUsedAt),
});
const snapshot = async (s) => {
  const all = s instanceof Snapshot ? s : await s.open();
  return {
    name: s.name, digest: s.digest, path: s.path, image: s.imageRef, format: s.format,
    fstype: all.fstype, parent: all.parent, size_bytes: Number(s.sizeBytes),
    labels: Object.fromEntries(all.labels), source: all.sourceSandbox,
  };
};
const eventNames = {
  layerDownloadProgress: "download", layerMaterializeProgress: "unpack", layerWaiting: "waiting",
  layerCached: "cached", layerMaterializeComplete: "layer", stitchMergingTrees: "merging",
  complete: "done",
};

/** Kinds of events, equal ones that follow each other once. */
function kinds(events) {
  return events.map((e) => eventNames[e.kind] ?? e.kind).filter((k, i, all) => k !== all[i - 1]);
}

const imageConfig = (config) => config && Object.fromEntries(Object.entries(config).map(
  ([k, v]) => [snake(k), v]));
const frame = (f) => (f === null ? null : { id: f.id, flags: f.flags, body: b64(f.body) });
const given = (o) => Object.fromEntries(Object.entries(o).filter(([, v]) => v !== undefined && v !== null));

// ---- operations ----

const ops = {
  hello: () => ({ language: "node", version: msb.version() }),
  cancel: ({ request }) => (running.get(request)?.abort(), null),
  drop: async (a) => (await drop(a.object), null),
  gc: async () => {
    for (let i = 0; i < 3; i++) {
      globalThis.gc?.();
      await new Promise(setImmediate);
    }
    return null;
  },

  create: async (a, signal) => {
    const b = builder(a.name, a.options);
    const s = await keep(a.as, await (a.detached ? b.createDetached({ signal }) : b.create({ signal })));
    return { name: s.name };
  },
  create_progress: async (a, signal) => {
    const b = builder(a.name, a.options);
    const creating = await (a.detached ? b.createDetachedWithPullProgress({ signal })
      : b.createWithPullProgress({ signal }));
    const events = [];
    for await (const e of creating.progress) events.push(e);
    const s = await keep(a.as, await creating.awaitSandbox());
    return { name: s.name, events: kinds(events) };
  },
  start: async (a, signal) => {
    const s = await subject(a);
    const h = s.start ? s : await Sandbox.get(s.name);
    return { name: (await keep(a.as, await (a.detached ? h.startDetached({ signal }) : h.start({ signal })))).name };
  },
  get: async (a) => {
    const h = await Sandbox.get(a.name);
    if (a.as) await keep(a.as, h);
    return row(h);
  },
  list: async () => (await Sandbox.list()).map(row),
  connect: async (a, signal) => {
    const s = await subject(a);
    const h = s.connect ? s : await Sandbox.get(s.name);
    const live = await (a.timeout_ms === undefined || a.timeout_ms === null ? h.connect({ signal })
      : h.connectWithTimeout(a.timeout_ms, { signal }));
    return { name: (await keep(a.as, live)).name };
  },
  info: ({ sandbox }) => ({ name: object(sandbox).name, owns_lifecycle: object(sandbox).ownsLifecycle }),
  stop: async (a, signal) => {
    const s = await subject(a);
    if (a.timeout_ms === undefined || a.timeout_ms === null) await s.stop({ signal });
    else await s.stopWithTimeout(a.timeout_ms, { signal });
    return null;
  },
  kill: async (a) => (await (await subject(a)).kill(), null),
  request_stop: async (a) => (await (await subject(a)).requestStop(), null),
  wait: async (a, signal) => ({ code: (await object(a.sandbox).wait({ signal })).code }),
  detach: async (a) => {
    await object(a.sandbox).detach();
    await drop(a.sandbox);
    return null;
  },
  remove: async (a) => {
    const s = await subject(a);
    await (s.remove ? s.remove() : s.removePersisted());
    return null;
  },

  exec: async (a, signal) => output(await object(a.sandbox).execWith(a.command, execOptions(a, signal))),
  shell: async (a, signal) => output(await object(a.sandbox).shellWith(a.script, execOptions(a, signal))),
  exec_start: async (a, signal) =>
    started(a, await object(a.sandbox).execStreamWith(a.command, execOptions(a, signal))),
  shell_start: async (a, signal) =>
    started(a, await object(a.sandbox).shellStreamWith(a.script, execOptions(a, signal))),
  exec_recv: async (a, signal) => event(await object(a.exec).recv({ signal })),
  exec_write: async (a) => (await object(a.exec).sink.write(bytes(a.data)), null),
  exec_close_stdin: async (a) => (await object(a.exec).sink.close(), null),
  exec_kill: async (a) => (await object(a.exec).kill(), null),
  exec_signal: async (a) => (await object(a.exec).signal(a.signal), null),
  exec_resize: async (a) => (await object(a.exec).resize(a.rows, a.cols), null),
  exec_wait: async (a, abort) => {
    const { code, signal } = await object(a.exec).wait({ signal: abort });
    return { code, signal };
  },
  exec_collect: async (a, signal) => output(await object(a.exec).collect({ signal })),

  fs_read: async (a) => b64(await (await fs(a)).read(a.path)),
  fs_read_text: async (a) => (await fs(a)).readToString(a.path),
  fs_write: async (a) => (await (await fs(a)).write(a.path, bytes(a.data)), null),
  fs_list: async (a) => (await (await fs(a)).list(a.path))
    .map(({ name, kind, mode, size }) => ({ name, kind, mode, size })),
  fs_stat: async (a) => {
    const s = await (await fs(a)).stat(a.path, { follow: a.follow ?? true });
    return { kind: s.kind, mode: s.mode, size: s.size, modified_ms: ms(s.modified) };
  },
  fs_exists: async (a) => (await fs(a)).exists(a.path),
  fs_mkdir: async (a) => (await (await fs(a)).mkdir(a.path), null),
  fs_remove: async (a) => (await (await fs(a)).remove(a.path), null),
  fs_remove_dir: async (a) => (await (await fs(a)).removeDir(a.path), null),
  fs_copy: async (a) => (await (await fs(a)).copy(a.from, a.to), null),
  fs_rename: async (a) => (await (await fs(a)).rename(a.from, a.to), null),
  fs_symlink: async (a) => (await (await fs(a)).symlink(a.target, a.path), null),
  fs_read_link: async (a) => (await fs(a)).readLink(a.path),
  fs_real_path: async (a) => (await fs(a)).realPath(a.path),
  fs_set_mode: async (a) => (await (await fs(a)).setStat(a.path, { mode: a.mode }), null),
  fs_read_stream: async (a) => readSum(await (await fs(a)).readStream(a.path)),
  fs_write_stream: async (a) =>
    (await writePattern(await (await fs(a)).writeStream(a.path), a.size, a.chunk), null),
  fs_copy_from_host: async (a) => (await object(a.sandbox).fs().copyFromHost(a.host, a.guest), null),
  fs_copy_to_host: async (a) => (await object(a.sandbox).fs().copyToHost(a.guest, a.host), null),

  logs: async (a) => (await msb.readLogs(nameOf(a), given(
    { tail: a.tail, since: a.since_ms, until: a.until_ms, sources: a.sources }))).map(entry),
  log_open: async (a) => {
    await keep(a.as, await msb.logStream(nameOf(a), given({
      sources: a.sources, since: a.since_ms, until: a.until_ms, fromCursor: a.cursor, follow: a.follow,
    })));
    return null;
  },
  log_next: async (a, signal) => entry(await object(a.log).recv({ signal })),
  metrics: async (a) => sample(await (await subject(a)).metrics()),
  metrics_all: async () =>
    Object.fromEntries([...await msb.allSandboxMetrics()].map(([k, v]) => [k, sample(v)])),
  metrics_stream: async (a) => {
    const samples = [];
    for await (const m of object(a.sandbox).metricsStream(a.interval_ms)) {
      if (samples.push(sample(m)) >= a.count) break;
    }
    return samples;
  },

  volume_create: async (a) => {
    let b = Volume.builder(a.name);
    if (a.quota_mib) b = b.quota(a.quota_mib);
    for (const [k, v] of Object.entries(a.labels ?? {})) b = b.label(k, v);
    return volume(await b.create());
  },
  volume_get: async (a) => volume(await Volume.get(a.name)),
  volume_list: async () => (await Volume.list()).map(volume),
  volume_remove: async (a) => (await Volume.remove(a.name), null),

  image_pull: async (a, signal) => {
    const events = [];
    const cached = await Image.pull(a.reference, given(
      { policy: a.policy, force: a.force, progress: (e) => events.push(e), signal }));
    return { cached, events: kinds(events) };
  },
  image_list: async () => (await Image.list()).map(image),
  image_get: async (a) => image(await Image.get(a.reference)),
  image_inspect: async (a) => {
    const d = await Image.inspect(a.reference);
    return {
      reference: d.handle.reference, digest: d.handle.manifestDigest, config: imageConfig(d.config),
      layers: d.layers.map((l) =>
        ({ diff_id: l.diffId, digest: l.blobDigest, size_bytes: l.compressedSizeBytes })),
    };
  },
  image_remove: async (a) => (await Image.remove(a.reference, given({ force: a.force })), null),
  image_prune: async () => (await Image.prune(), null),

  snapshot_create: async (a) => {
    const b = Snapshot.builder(a.source);
    if (a.name) b.name(a.name);
    if (a.path) b.path(a.path);
    for (const [k, v] of Object.entries(a.labels ?? {})) b.label(k, v);
    if (a.force) b.force();
    if (a.integrity) b.recordIntegrity();
    return snapshot(await b.create());
  },
  snapshot_get: async (a) => snapshot(await Snapshot.get(a.ref)),
  snapshot_list: async () => Promise.all((await Snapshot.list()).map(snapshot)),
  snapshot_list_dir: async (a) => Promise.all((await Snapshot.listDir(a.dir)).map(snapshot)),
  snapshot_verify: async (a) => {
    const { upper } = await (await Snapshot.open(a.ref)).verify();
    return upper.kind === "verified" ? "verified" : "not_recorded";
  },
  snapshot_remove: async (a) => (await Snapshot.remove(a.ref, given({ force: a.force })), null),
  snapshot_reindex: async (a) => Snapshot.reindex(a.dir ?? undefined),
  snapshot_export: async (a) =>
    (await Snapshot.export(a.ref, a.path, given({ withParents: a.parents, plainTar: a.plain })), null),
  snapshot_import: async (a) => snapshot(await Snapshot.import(a.path, a.dest ?? undefined)),

  agent_connect: async (a, signal) => {
    const options = given({ timeoutMs: a.timeout_ms, signal });
    const client = await keep(a.as, await (a.name ? AgentClient.connectSandbox(a.name, options)
      : AgentClient.connect(a.path, options)));
    return { first: client.idRange.first, end: client.idRange.end };
  },
  agent_ready: (a) => b64(object(a.agent).ready()),
  agent_request: async (a, signal) => frame(await object(a.agent).request(a.flags, bytes(a.body),
    given({ timeoutMs: a.timeout_ms, signal }))),
  agent_stream: async (a) =>
    ({ id: (await keep(a.as, await object(a.agent).stream({ flags: a.flags, body: bytes(a.body) }))).id }),
  agent_next: async (a, signal) => frame(await object(a.stream).recv({ signal })),
  agent_send: async (a) => (await object(a.agent).send(a.id, a.flags, bytes(a.body)), null),
  agent_close: async (a) => (object(a.agent).close(), null),
};

function errorOf(e) {
  if (e instanceof MicrosandboxError) {
    return { kind: e.kind, message: e.message, errno: e.errno, details: e.details };
  }
  const kind = e instanceof DriverError ? "driver" : e instanceof TypeError ? "type" : "unknown";
  // names are told as the request has them
  const message = kind === "type" ? e.message.replace(/'\w+'/g, snake) : e.message;
  return { kind, message: kind === "unknown" ? String(e.stack) : message, errno: 0, details: {} };
}

async function handle({ id, op, args = {} }) {
  const abort = new AbortController();
  running.set(id, abort);
  let answer;
  try {
    if (!Object.hasOwn(ops, op)) throw new DriverError(`no operation '${op}'`);
    answer = { id, ok: (await ops[op](args, abort.signal)) ?? null };
  } catch (e) {
    answer = { id, error: errorOf(e) };
  }
  running.delete(id);
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}

const background = new Set();
for await (const line of readline.createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  const done = handle(request);
  if (!request.background) {
    await done;
    continue;
  }
  background.add(done);
  done.then(() => background.delete(done));
}
for (const name of [...objects.keys()]) await drop(name);
