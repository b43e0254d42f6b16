// SPDX-License-Identifier: Apache-2.0
// A sandbox described step by step.
import { SecretBuilder, NetworkBuilder, portMethods, violationOf } from "./network.js";
import { Builder, ImageBuilder, InitBuilder, MountBuilder, PatchBuilder, RegistryBuilder, nested }
  from "./parts.js";
import { Sandbox } from "./sandbox.js";

export class SandboxBuilder extends Builder {
  #name;

  constructor(name) {
    super();
    this.#name = name;
  }

  /** "alpine", "./root", "./disk.qcow2". */
  image(image) { return this.set("image", image); }
  imageWith(f) { return this.set("image", nested(new ImageBuilder(), f, "the image")); }
  fromSnapshot(ref) { return this.set("snapshot", ref); }
  cpus(n) { return this.set("cpus", n); }
  memory(mib) { return this.set("memoryMib", mib); }
  workdir(path) { return this.set("workdir", path); }
  shell(shell) { return this.set("shell", shell); }
  hostname(name) { return this.set("hostname", name); }
  user(user) { return this.set("user", user); }
  env(key, value) { return this.put("env", key, value); }
  envs(env) { return this.#all("env", env); }
  label(key, value) { return this.put("labels", key, value); }
  labels(labels) { return this.#all("labels", labels); }
  entrypoint(argv) { return this.set("entrypoint", argv); }
  cmd(argv) { return this.set("cmd", argv); }
  /** A program that becomes process 1: "auto" or a path. */
  init(cmd, args) { return this.set("init", args === undefined ? cmd : { cmd, args }); }
  initWith(cmd, f) {
    return this.set("init", { cmd, ...nested(new InitBuilder(), f, "init options") });
  }

  script(name, text) { return this.put("scripts", name, text); }
  scripts(scripts) { return this.#all("scripts", scripts); }
  rlimit(resource, value) { return this.push("rlimits", { resource, soft: value }); }
  rlimitRange(resource, soft, hard) { return this.push("rlimits", { resource, soft, hard }); }
  maxDuration(seconds) { return this.set("maxDurationS", seconds); }
  idleTimeout(seconds) { return this.set("idleTimeoutS", seconds); }
  replace(on = true) { return this.set("replace", on); }
  /** 0 kills the one that is replaced at once. */
  replaceWithTimeout(ms) { return this.set("replaceTimeoutMs", ms); }
  ephemeral(on = true) { return this.set("ephemeral", on); }
  pullPolicy(policy) { return this.set("pullPolicy", policy); }
  registry(f) { return this.set("registry", nested(new RegistryBuilder(), f, "the registry")); }
  logLevel(level) { return this.set("logLevel", level); }
  quietLogs() { return this.set("logLevel", undefined); }
  metricsSampleIntervalMs(ms) { return this.set("metricsIntervalMs", ms); }
  disableMetricsSample() { return this.set("metricsIntervalMs", 0); }
  /** "auto", "kvm" or "uml". */
  engine(engine) { return this.set("engine", engine); }
  engineJail(jail) { return this.set("engineJail", jail); }
  engineMode(mode) { return this.set("engineMode", mode); }
  /** A command that the sandbox starts itself, and ends with. */
  startup(argv) { return this.set("startup", argv); }
  volume(guest, f) { return this.put("mounts", guest, nested(new MountBuilder(), f, "the mount")); }
  patch(f) { return this.push("patches", ...nested(new PatchBuilder(), f, "the patches")); }
  network(f) {
    const builder = new NetworkBuilder();
    this.set("network", nested(builder, f, "the network"));
    if (builder.secrets.length) this.push("secrets", ...builder.secrets);
    if (builder.violation !== undefined) this.set("onSecretViolation", builder.violation);
    return this;
  }

  disableNetwork() { return this.set("network", { enabled: false }); }
  secret(f) { return this.push("secrets", nested(new SecretBuilder(), f, "the secret")); }
  secretEnv(env, value, host) { return this.push("secrets", { env, value, hosts: [host] }); }
  onSecretViolation(f) { return this.set("onSecretViolation", violationOf(f)); }

  #all(key, values) {
    for (const [k, v] of Object.entries(values)) this.put(key, k, v);
    return this;
  }

  /** Check everything, and give the plain options that Sandbox.create() takes. */
  async build() {
    await Sandbox.check(this.#name, this.options());
    return { name: this.#name, ...this.options() };
  }

  /** Boot it; it ends with this program. */
  create({ signal } = {}) {
    return Sandbox.create(this.#name, this.options(), { signal });
  }

  /** Boot it; it goes on without this program. */
  createDetached({ signal } = {}) {
    return Sandbox.create(this.#name, this.options(), { signal, detached: true });
  }

  async createWithPullProgress({ signal } = {}) {
    return Sandbox.createWithPullProgress(this.#name, this.options(), { signal });
  }

  async createDetachedWithPullProgress({ signal } = {}) {
    return Sandbox.createWithPullProgress(this.#name, this.options(), { signal, detached: true });
  }
}
Object.defineProperties(SandboxBuilder.prototype, Object.getOwnPropertyDescriptors(portMethods));
