// SPDX-License-Identifier: Apache-2.0
// Sandboxes: live ones, and what the catalogue has of them.
import { pairs } from "./kinds.js";
import { ExitStatus, execOptions, execRun, execStart } from "./exec.js";
import { SandboxFs } from "./fs.js";
import { progressTo } from "./image.js";
import { MetricsStream, logStream, readLogs, readMetrics } from "./logs.js";
import { asyncDispose, call, count, dateOf, home, native, only } from "./native.js";
import { optionsJson } from "./options.js";
import { PullProgressCreate } from "./progress.js";
import { Snapshot } from "./snapshot.js";

const STOP_MS = 10000;
const CONNECT_MS = 10000;
const TOUCH_MS = 5000;

const camel = (key) => key.replace(/_([a-z])/g, (_, c) => c.toUpperCase());
// Their keys are the user's own.
const verbatim = new Set(["env", "labels", "scripts"]);

function camelize(value) {
  if (Array.isArray(value)) return value.map(camelize);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) =>
    [camel(k), verbatim.has(k) ? v : camelize(v)]));
}

/** What live sandboxes and those of the catalogue do alike; native() of either gives its native object, or a promise. */
class Common {
  /** Wait for a clean end, at most 10 s; then it is killed. */
  stop(options) {
    return this.stopWithTimeout(STOP_MS, options);
  }

  /** 0 kills at once. Gives "graceful", "forced" or "not_running". */
  async stopWithTimeout(timeoutMs, options) {
    const { signal } = only(options, ["signal"], "options");
    return call("stop", [await this.native(), count(timeoutMs, "timeoutMs")], signal);
  }

  kill() {
    return this.stopWithTimeout(0);
  }

  /** Ask the guest to shut down, and do not wait for it. */
  async requestStop() {
    await call("requestStop", [await this.native()]);
  }

  /** Why the last boot ended ("Completed", "IdleTimeout", ...), labels and times, read anew. */
  async refresh() {
    return new SandboxHandle(await call("refresh", [await this.native()]));
  }

  readLogs(options) {
    return readLogs(this.name, options);
  }

  logs(options) {
    return readLogs(this.name, options);
  }

  logStream(options) {
    return logStream(this.name, options);
  }

  async metrics() {
    return readMetrics(await this.native());
  }
}

/** A row of the catalogue: what was known when it was fetched. */
export class SandboxHandle extends Common {
  #native;

  constructor(info, handle = null) {
    super();
    this.#native = handle;
    this.name = info.name;
    this.status = info.status.toLowerCase();
    this.configJson = info.configJson;
    this.createdAt = dateOf(info.createdMs);
    this.updatedAt = dateOf(info.updatedMs);
    this.ephemeral = info.ephemeral;
    this.exitReason = info.exitReason;
    this.labels = pairs(info.labels);
  }

  native() {
    this.#native ??= home().then((h) => native.get(h, this.name));
    return this.#native;
  }

  config() {
    return camelize(JSON.parse(this.configJson));
  }

  start(options) { return Sandbox.start(this.name, options); }
  startDetached(options) { return Sandbox.startDetached(this.name, options); }
  connect(options) { return this.connectWithTimeout(CONNECT_MS, options); }

  /** A live object that does not own the sandbox. */
  async connectWithTimeout(timeoutMs, options) {
    const { signal } = only(options, ["signal"], "options");
    return new Sandbox(await call("connect",
      [await home(), this.name, count(timeoutMs, "timeoutMs")], signal), false);
  }

  async remove() {
    await call("remove", [await this.native(), false]);
  }

  snapshot(name, options) { return Snapshot.create(this.name, { ...options, name }); }
  snapshotTo(path, options) { return Snapshot.create(this.name, { ...options, path }); }
}

/** A running sandbox. */
export class Sandbox extends Common {
  #native;
  #fs = null;

  /** For Sandbox.create() and its like. */
  constructor(handle, ownsLifecycle) {
    super();
    this.#native = handle;
    this.name = native.info(handle).name;
    this.ownsLifecycle = ownsLifecycle;
  }

  native() {
    if (this.#native === null) throw new Error(`this object of sandbox '${this.name}' has been given up`);
    return this.#native;
  }

  /** Are these options good? */
  static async check(name, options) {
    await native.check(await home(), name ?? null, optionsJson(options ?? {}));
  }

  /** Create and boot. It ends with this program unless `detached`. */
  static async create(name, options, { signal, detached = false, progress = null } = {}) {
    const json = optionsJson(options ?? {});
    const handle = await call("create",
      [await home(), name ?? null, json, detached, progress && progressTo(progress)], signal);
    return new Sandbox(handle, !detached);
  }

  static createWithPullProgress(name, options, rest = {}) {
    return new PullProgressCreate((progress) => Sandbox.create(name, options, { ...rest, progress }));
  }

  static async start(name, options) {
    const { signal } = only(options, ["signal"], "options");
    return new Sandbox(await call("start", [await home(), name, false], signal), true);
  }

  static async startDetached(name, options) {
    const { signal } = only(options, ["signal"], "options");
    return new Sandbox(await call("start", [await home(), name, true], signal), false);
  }

  static async get(name) {
    const handle = await call("get", [await home(), name]);
    return new SandboxHandle(native.info(handle), handle);
  }

  /** All, newest first; options.labels: those with these labels (KEY or KEY=VALUE). */
  static async list(options) {
    const { labels = [] } = only(options, ["labels"], "options");
    const infos = await call("list", [await home(), labels]);
    return infos.map((info) => new SandboxHandle(info));
  }

  static async remove(name) {
    await (await Sandbox.get(name)).remove();
  }

  async config() {
    return camelize(JSON.parse(native.info(this.native()).configJson));
  }

  async status() {
    return (await this.refresh()).status;
  }

  /** Until it has ended, whoever stopped it. */
  async wait(options) {
    const { signal } = only(options, ["signal"], "options");
    const end = await call("waitStopped", [this.native(), -1], signal);
    const status = new ExitStatus(end.code);
    status.reason = end.reason;
    status.crashed = end.status === "Crashed";
    return status;
  }

  async stopAndWait(options) {
    await this.stop(options);
    return this.wait(options);
  }

  /** As requestStop(). */
  drain() {
    return this.requestStop();
  }

  /** It goes on without this program; the object is used up. */
  async detach() {
    await native.release(this.native());
    this.#giveUp();
  }

  /** Remove what is stored of it, once it has stopped; the object is used up. */
  async removePersisted() {
    await call("remove", [this.native(), false]);
    this.#giveUp();
  }

  exec(command, args = [], options = undefined) {
    return execRun(this.native(), { command }, args, options);
  }

  execWith(command, f) {
    return execRun(this.native(), { command }, [], execOptions(f));
  }

  execStream(command, args = [], options = undefined) {
    return execStart(this.native(), this, { command }, args, options);
  }

  execStreamWith(command, f) {
    return execStart(this.native(), this, { command }, [], execOptions(f));
  }

  /** A script for the sandbox's shell. */
  shell(script, options = undefined) {
    return execRun(this.native(), { script }, [], options);
  }

  shellWith(script, f) {
    return execRun(this.native(), { script }, [], execOptions(f));
  }

  shellStream(script, options = undefined) {
    return execStart(this.native(), this, { script }, [], options);
  }

  shellStreamWith(script, f) {
    return execStart(this.native(), this, { script }, [], execOptions(f));
  }

  fs() {
    this.#fs ??= new SandboxFs(() => this.native());
    return this.#fs;
  }

  metricsStream(intervalMs = 1000) {
    return new MetricsStream(() => this.native(), intervalMs);
  }

  /** How many µs its agent took to answer. */
  ping({ timeoutMs = TOUCH_MS, signal } = {}) {
    return call("ping", [this.native(), count(timeoutMs, "timeoutMs")], signal);
  }

  /** The time to its idle limit begins anew. */
  async touch({ timeoutMs = TOUCH_MS, signal } = {}) {
    await call("touch", [this.native(), count(timeoutMs, "timeoutMs")], signal);
  }

  /** Path of the agent's socket. */
  agentSocket() {
    return native.agentSocket(this.native());
  }

  #giveUp() {
    const handle = this.#native;
    this.#native = null;
    this.#fs?.close().catch(() => {});
    this.#fs = null;
    if (handle) native.close(handle);
  }

  /** Stops the sandbox if this object owns it. */
  async close() {
    if (this.#native === null) return;
    try {
      if (this.ownsLifecycle) await this.stop();
    } finally {
      this.#giveUp();
    }
  }

  async [asyncDispose]() {
    await this.close().catch(() => {});
  }
}
