// SPDX-License-Identifier: Apache-2.0
// Types of the package.

// What the runtime may not declare yet.
/** For `await using`: `Symbol.asyncDispose`, or what stands for it where there is none. */
export declare const asyncDispose: unique symbol;

export interface AsyncDisposableLike {
  [asyncDispose](): Promise<void>;
}

export type Bytes = Uint8Array | string;
export interface Abortable {
  signal?: AbortSignal;
}

// ---- errors ----

export declare class MicrosandboxError extends Error {
  constructor(message: string, of?: {
    kind?: string; code?: string; errno?: number; details?: Record<string, string>; cause?: unknown;
  });
  /** The kind's name in the library, such as "sandbox_not_found". */
  readonly kind: string;
  /** The same in camel case. */
  readonly code: string;
  /** Of the operating system; 0 when none applies. */
  readonly errno: number;
  readonly details: Record<string, string>;
}
export declare class IoError extends MicrosandboxError {}
export declare class InvalidConfigError extends MicrosandboxError {}
export declare class SandboxNotFoundError extends MicrosandboxError {}
export declare class SandboxAlreadyExistsError extends MicrosandboxError {}
export declare class SandboxStillRunningError extends MicrosandboxError {}
export declare class SandboxStateError extends MicrosandboxError {}
export declare class DatabaseError extends MicrosandboxError {}
export declare class RuntimeError extends MicrosandboxError {}
export declare class BootStartError extends MicrosandboxError {}
export declare class ProtocolError extends MicrosandboxError {}
export declare class AgentClientError extends MicrosandboxError {}
export declare class ExecFailedError extends MicrosandboxError {}
export declare class TimeoutError extends MicrosandboxError {}
export declare class UnsupportedError extends MicrosandboxError {}
export declare class NoSpaceError extends MicrosandboxError {}
export declare class PermissionError extends MicrosandboxError {}
export declare class NoMemoryError extends MicrosandboxError {}
export declare class SandboxFsError extends MicrosandboxError {}
export declare class ImageError extends MicrosandboxError {}
export declare class ImageNotFoundError extends MicrosandboxError {}
export declare class ImageInUseError extends MicrosandboxError {}
export declare class VolumeNotFoundError extends MicrosandboxError {}
export declare class VolumeAlreadyExistsError extends MicrosandboxError {}
export declare class VolumeInUseError extends MicrosandboxError {}
export declare class SnapshotNotFoundError extends MicrosandboxError {}
export declare class SnapshotAlreadyExistsError extends MicrosandboxError {}
export declare class SnapshotSandboxRunningError extends MicrosandboxError {}
export declare class SnapshotImageMissingError extends MicrosandboxError {}
export declare class SnapshotIntegrityError extends MicrosandboxError {}
export declare class MissedRotationError extends MicrosandboxError {}
export declare class InvalidCursorError extends MicrosandboxError {}
export declare class MetricsDisabledError extends MicrosandboxError {}
export declare class MetricsUnavailableError extends MicrosandboxError {}
export declare class CancelledError extends MicrosandboxError {}
export declare class PatchFailedError extends MicrosandboxError {}
export declare class PathNotFoundError extends SandboxFsError {}
export declare class AgentBusyError extends AgentClientError {}
export declare class AgentClosedError extends AgentClientError {}
export declare class ExecTimeoutError extends MicrosandboxError {
  readonly timeoutMs: number | null;
}

// ---- options of a sandbox ----

export type SandboxStatus = "running" | "draining" | "paused" | "stopped" | "crashed";
export type PullPolicy = "always" | "if-missing" | "never";
export type LogLevel = "trace" | "debug" | "info" | "warn" | "error";
export type StatVirtualization = "strict" | "relaxed" | "off";
export type HostPermissions = "private" | "mirror";
export type Action = "allow" | "deny";
export type Direction = "egress" | "ingress" | "any";
export type Protocol = "tcp" | "udp" | "icmpv4" | "icmpv6";
export type DestinationGroup =
  "public" | "loopback" | "private" | "link-local" | "metadata" | "multicast" | "host";
export type RlimitResource =
  "cpu" | "fsize" | "data" | "stack" | "core" | "rss" | "nproc" | "nofile" | "memlock" | "as" |
  "locks" | "sigpending" | "msgqueue" | "nice" | "rtprio" | "rttime";

export interface Rlimit {
  resource: RlimitResource;
  soft: number | "unlimited";
  hard?: number | "unlimited";
}
export type ImageOptions = string
  | { oci: string; upperSizeMib?: number }
  | { bind: string }
  | { disk: string; format?: string; fstype?: string };
export interface MountOptions {
  bind?: string;
  named?: string;
  tmpfs?: true;
  disk?: string;
  readonly?: boolean;
  noexec?: boolean;
  nosuid?: boolean;
  nodev?: boolean;
  followSymlinks?: boolean;
  statVirtualization?: StatVirtualization;
  hostPermissions?: HostPermissions;
  quotaMib?: number | "none";
  sizeMib?: number;
  format?: string;
  fstype?: string;
  create?: "ensure" | "existing" | "new";
  volume?: {
    kind?: "dir" | "disk"; quotaMib?: number | "none"; capacityMib?: number;
    labels?: Record<string, string>;
  };
}
export interface PatchOptions {
  kind: "text" | "file" | "append" | "copy_file" | "copy_dir" | "symlink" | "mkdir" | "remove";
  path: string;
  content?: Bytes;
  contentBase64?: string;
  source?: string;
  target?: string;
  mode?: number;
  replace?: boolean;
}
/** "[BIND:]HOST:GUEST[/udp]", or its parts. */
export type PortOptions = string
  | { host: number; guest: number; bind?: string; protocol?: "tcp" | "udp" };
export type RuleOptions = string | {
  action: Action;
  direction?: Direction;
  destination?: string;
  protocol?: Protocol;
  protocols?: Protocol[];
  port?: number | string;
  ports?: (number | string)[];
};
export type PolicyPreset = "none" | "public_only" | "allow_all" | "non_local";
export interface PolicyOptions {
  defaultEgress?: Action;
  defaultIngress?: Action;
  rules?: RuleOptions[];
}
export interface DnsOptions {
  rebindProtection?: boolean;
  nameservers?: string[];
  queryTimeoutMs?: number;
}
export interface TlsOptions {
  intercept?: boolean;
  ports?: number[];
  bypass?: string[];
  verifyUpstream?: boolean;
  blockQuic?: boolean;
  caCert?: string;
  caKey?: string;
  upstreamCaCerts?: string[];
}
export interface InterfaceOptions {
  mac?: string;
  mtu?: number;
  ipv4?: string;
  ipv6?: string;
}
export interface NetworkOptions {
  enabled?: boolean;
  policy?: PolicyPreset | PolicyOptions;
  denyDomains?: string[];
  denyDomainSuffixes?: string[];
  dns?: DnsOptions;
  tls?: TlsOptions;
  ipv4Pool?: string;
  ipv6Pool?: string;
  maxConnections?: number;
  trustHostCas?: boolean;
  interface?: InterfaceOptions;
  ports?: PortOptions[];
}
export type ViolationOptions =
  "block" | "block-and-log" | "block-and-terminate" | { passthrough: string[] };
export interface SecretOptions {
  env: string;
  value?: string;
  fromEnv?: string;
  fromFile?: string;
  hosts?: string[];
  hostPatterns?: string[];
  allowAnyHost?: boolean;
  placeholder?: string;
  requireTls?: boolean;
  inject?: { headers?: boolean; basicAuth?: boolean; query?: boolean; body?: boolean };
  onViolation?: ViolationOptions;
}
export interface SandboxOptions {
  image?: ImageOptions;
  snapshot?: string;
  cpus?: number;
  memoryMib?: number;
  workdir?: string;
  shell?: string;
  hostname?: string;
  user?: string;
  env?: Record<string, string>;
  labels?: Record<string, string>;
  entrypoint?: string[];
  cmd?: string[];
  scripts?: Record<string, string>;
  init?: string | { cmd: string; args?: string[]; env?: Record<string, string> };
  rlimits?: Rlimit[];
  maxDurationS?: number;
  idleTimeoutS?: number;
  replace?: boolean;
  replaceTimeoutMs?: number;
  ephemeral?: boolean;
  pullPolicy?: PullPolicy;
  registry?: { username?: string; password?: string; insecure?: boolean; caCerts?: string };
  logLevel?: LogLevel;
  metricsIntervalMs?: number;
  engine?: "auto" | "kvm" | "uml";
  engineJail?: "strict" | "relaxed";
  engineMode?: "auto" | "ptrace" | "seccomp";
  startup?: string[];
  mounts?: Record<string, MountOptions>;
  patches?: PatchOptions[];
  ports?: PortOptions[];
  network?: NetworkOptions;
  secrets?: SecretOptions[];
  onSecretViolation?: ViolationOptions;
}

// ---- builders ----

/** A closure that fills a builder, or the plain options it would make. */
export type Fill<B, O> = ((builder: B) => B | void) | O;

export declare class ImageBuilder {
  oci(reference: string): this;
  upperSize(mib: number): this;
  bind(path: string): this;
  disk(path: string): this;
  format(format: string): this;
  fstype(fstype: string): this;
  options(): ImageOptions;
}
export declare function intoRootfsSource(image: string): string;
export declare class MountBuilder {
  bind(host: string): this;
  named(volume: string): this;
  tmpfs(): this;
  disk(path: string): this;
  size(mib: number): this;
  quota(mib: number | "none"): this;
  format(format: string): this;
  fstype(fstype: string): this;
  readonly(on?: boolean): this;
  noexec(on?: boolean): this;
  nosuid(on?: boolean): this;
  nodev(on?: boolean): this;
  followSymlinks(on?: boolean): this;
  statVirtualization(policy: StatVirtualization): this;
  hostPermissions(policy: HostPermissions): this;
  create(mode: "ensure" | "existing" | "new"): this;
  volume(description: MountOptions["volume"]): this;
  options(): MountOptions;
}
export interface PatchFlags {
  mode?: number;
  replace?: boolean;
}
export declare class PatchBuilder {
  text(path: string, content: string, options?: PatchFlags): this;
  file(path: string, content: Bytes, options?: PatchFlags): this;
  append(path: string, content: Bytes): this;
  copyFile(source: string, path: string, options?: PatchFlags): this;
  copyDir(source: string, path: string, options?: { replace?: boolean }): this;
  symlink(target: string, path: string, options?: { replace?: boolean }): this;
  mkdir(path: string, options?: { mode?: number }): this;
  remove(path: string): this;
  options(): PatchOptions[];
}
export declare class RegistryBuilder {
  auth(auth: { kind?: "basic"; username: string; password: string } | { kind: "anonymous" }): this;
  insecure(on?: boolean): this;
  caCerts(path: string): this;
  options(): NonNullable<SandboxOptions["registry"]>;
}
export declare class InitBuilder {
  arg(arg: string): this;
  args(args: string[]): this;
  env(key: string, value: string): this;
  envs(env: Record<string, string>): this;
  options(): { args?: string[]; env?: Record<string, string> };
}

export declare const Destination: {
  any(): string;
  ip(address: string): string;
  cidr(prefix: string): string;
  domain(name: string): string;
  domainSuffix(name: string): string;
  group(name: DestinationGroup): string;
};
export declare const Rule: {
  allowEgress(destination: string): Exclude<RuleOptions, string>;
  denyEgress(destination: string): Exclude<RuleOptions, string>;
  allowIngress(destination: string): Exclude<RuleOptions, string>;
  denyIngress(destination: string): Exclude<RuleOptions, string>;
  allowAny(destination: string): Exclude<RuleOptions, string>;
  denyAny(destination: string): Exclude<RuleOptions, string>;
  allowDns(): string;
};
export declare const NetworkPolicy: {
  none(): "none";
  publicOnly(): "public_only";
  allowAll(): "allow_all";
  nonLocal(): "non_local";
  builder(): NetworkPolicyBuilder;
};
export interface DestinationBuilder {
  any(): unknown;
  ip(address: string): unknown;
  cidr(prefix: string): unknown;
  domain(name: string): unknown;
  domainSuffix(name: string): unknown;
  group(name: DestinationGroup): unknown;
}
export declare class RuleBuilder {
  egress(): this;
  ingress(): this;
  any(): this;
  tcp(): this;
  udp(): this;
  icmpv4(): this;
  icmpv6(): this;
  port(port: number): this;
  portRange(low: number, high: number): this;
  ports(ports: (number | string)[]): this;
  allowPublic(): this;
  denyPublic(): this;
  allowPrivate(): this;
  denyPrivate(): this;
  allowLoopback(): this;
  denyLoopback(): this;
  allowLinkLocal(): this;
  denyLinkLocal(): this;
  allowMeta(): this;
  denyMeta(): this;
  allowMulticast(): this;
  denyMulticast(): this;
  allowHost(): this;
  denyHost(): this;
  allowLocal(): this;
  denyLocal(): this;
  allowDomain(name: string): this;
  denyDomain(name: string): this;
  allowDomains(names: string[]): this;
  denyDomains(names: string[]): this;
  allowDomainSuffix(name: string): this;
  denyDomainSuffix(name: string): this;
  allowDomainSuffixes(names: string[]): this;
  denyDomainSuffixes(names: string[]): this;
  allow(f: (destination: DestinationBuilder) => unknown): this;
  deny(f: (destination: DestinationBuilder) => unknown): this;
  allowDns(): this;
}
export declare class NetworkPolicyBuilder {
  defaultAllow(): this;
  defaultDeny(): this;
  defaultEgress(action: Action): this;
  defaultIngress(action: Action): this;
  rule(f: ((rule: RuleBuilder) => unknown) | RuleOptions): this;
  egress(f: ((rule: RuleBuilder) => unknown) | RuleOptions): this;
  ingress(f: ((rule: RuleBuilder) => unknown) | RuleOptions): this;
  any(f: ((rule: RuleBuilder) => unknown) | RuleOptions): this;
  options(): PolicyOptions;
  build(): PolicyOptions;
}
export declare class DnsBuilder {
  rebindProtection(on: boolean): this;
  nameservers(servers: string[]): this;
  queryTimeoutMs(ms: number): this;
  options(): DnsOptions;
}
export declare class TlsBuilder {
  intercept(on?: boolean): this;
  bypass(pattern: string | string[]): this;
  verifyUpstream(on: boolean): this;
  interceptedPorts(ports: number[]): this;
  blockQuic(on: boolean): this;
  upstreamCaCert(path: string): this;
  interceptCaCert(path: string): this;
  interceptCaKey(path: string): this;
  options(): TlsOptions;
}
export declare class InterfaceBuilder {
  mac(address: string): this;
  mtu(bytes: number): this;
  ipv4(address: string): this;
  ipv6(address: string): this;
  options(): InterfaceOptions;
}
export declare class ViolationBuilder {
  block(): this;
  blockAndLog(): this;
  blockAndTerminate(): this;
  passthroughHost(host: string): this;
  passthroughHostPattern(pattern: string): this;
  passthroughAllHosts(yes: boolean): this;
  options(): ViolationOptions;
}
export declare class SecretBuilder {
  env(name: string): this;
  value(value: string): this;
  fromEnv(name: string): this;
  fromFile(path: string): this;
  placeholder(text: string): this;
  allowHost(host: string): this;
  allowHostPattern(pattern: string): this;
  allowAnyHostDangerous(acknowledged: boolean): this;
  requireTlsIdentity(on: boolean): this;
  injectHeaders(on?: boolean): this;
  injectBasicAuth(on?: boolean): this;
  injectQuery(on?: boolean): this;
  injectBody(on?: boolean): this;
  onViolation(f: Fill<ViolationBuilder, ViolationOptions>): this;
  options(): SecretOptions;
}
interface PortMethods {
  port(host: number, guest: number): this;
  portBind(bind: string, host: number, guest: number): this;
  portUdp(host: number, guest: number): this;
  portUdpBind(bind: string, host: number, guest: number): this;
}
export interface NetworkBuilder extends PortMethods {}
export declare class NetworkBuilder {
  enabled(on: boolean): this;
  policy(policy: PolicyPreset | PolicyOptions | NetworkPolicyBuilder
    | ((policy: NetworkPolicyBuilder) => NetworkPolicyBuilder | void)): this;
  denyDomains(names: string[]): this;
  denyDomainSuffixes(names: string[]): this;
  dns(f: Fill<DnsBuilder, DnsOptions>): this;
  tls(f: Fill<TlsBuilder, TlsOptions>): this;
  ipv4Pool(cidr: string): this;
  ipv6Pool(cidr: string): this;
  interface(f: Fill<InterfaceBuilder, InterfaceOptions>): this;
  maxConnections(n: number): this;
  trustHostCAs(on: boolean): this;
  secret(f: Fill<SecretBuilder, SecretOptions>): this;
  secretEnv(env: string, value: string, placeholder: string, host: string): this;
  secretEnvSimple(env: string, value: string, host: string): this;
  onSecretViolation(f: Fill<ViolationBuilder, ViolationOptions>): this;
  options(): NetworkOptions;
}
export interface SandboxBuilder extends PortMethods {}
export declare class SandboxBuilder {
  constructor(name?: string);
  image(image: ImageOptions): this;
  imageWith(f: Fill<ImageBuilder, ImageOptions>): this;
  fromSnapshot(ref: string): this;
  cpus(n: number): this;
  memory(mib: number): this;
  workdir(path: string): this;
  shell(shell: string): this;
  hostname(name: string): this;
  user(user: string): this;
  env(key: string, value: string): this;
  envs(env: Record<string, string>): this;
  label(key: string, value: string): this;
  labels(labels: Record<string, string>): this;
  entrypoint(argv: string[]): this;
  cmd(argv: string[]): this;
  init(cmd: string, args?: string[]): this;
  initWith(cmd: string, f: Fill<InitBuilder, { args?: string[]; env?: Record<string, string> }>): this;
  script(name: string, text: string): this;
  scripts(scripts: Record<string, string>): this;
  rlimit(resource: RlimitResource, value: number | "unlimited"): this;
  rlimitRange(resource: RlimitResource, soft: number | "unlimited", hard: number | "unlimited"): this;
  maxDuration(seconds: number): this;
  idleTimeout(seconds: number): this;
  replace(on?: boolean): this;
  replaceWithTimeout(ms: number): this;
  ephemeral(on?: boolean): this;
  pullPolicy(policy: PullPolicy): this;
  registry(f: Fill<RegistryBuilder, NonNullable<SandboxOptions["registry"]>>): this;
  logLevel(level: LogLevel): this;
  quietLogs(): this;
  metricsSampleIntervalMs(ms: number): this;
  disableMetricsSample(): this;
  engine(engine: "auto" | "kvm" | "uml"): this;
  engineJail(jail: "strict" | "relaxed"): this;
  engineMode(mode: "auto" | "ptrace" | "seccomp"): this;
  startup(argv: string[]): this;
  volume(guest: string, f: Fill<MountBuilder, MountOptions>): this;
  patch(f: Fill<PatchBuilder, never>): this;
  network(f: Fill<NetworkBuilder, NetworkOptions>): this;
  disableNetwork(): this;
  secret(f: Fill<SecretBuilder, SecretOptions>): this;
  secretEnv(env: string, value: string, host: string): this;
  onSecretViolation(f: Fill<ViolationBuilder, ViolationOptions>): this;
  options(): SandboxOptions;
  build(): Promise<SandboxOptions & { name?: string }>;
  create(options?: Abortable): Promise<Sandbox>;
  createDetached(options?: Abortable): Promise<Sandbox>;
  createWithPullProgress(options?: Abortable): Promise<PullProgressCreate>;
  createDetachedWithPullProgress(options?: Abortable): Promise<PullProgressCreate>;
}

// ---- sandboxes ----

export type StopResult = "not_running" | "graceful" | "forced";
export interface SandboxExit extends ExitStatus {
  /** "Completed", "Failed", "IdleTimeout", ... */
  readonly reason: string | null;
  readonly crashed: boolean;
}
interface CommonSandbox {
  readonly name: string;
  stop(options?: Abortable): Promise<StopResult>;
  stopWithTimeout(timeoutMs: number, options?: Abortable): Promise<StopResult>;
  kill(): Promise<StopResult>;
  requestStop(): Promise<void>;
  refresh(): Promise<SandboxHandle>;
  readLogs(options?: LogReadOptions): Promise<LogEntry[]>;
  logs(options?: LogReadOptions): Promise<LogEntry[]>;
  logStream(options?: LogStreamOptions): Promise<LogStream> & AsyncIterable<LogEntry>;
  metrics(): Promise<SandboxMetrics>;
}
export interface SandboxHandle extends CommonSandbox {}
export declare class SandboxHandle {
  private constructor();
  readonly status: SandboxStatus;
  readonly configJson: string;
  readonly createdAt: Date | null;
  readonly updatedAt: Date | null;
  readonly ephemeral: boolean;
  readonly exitReason: string | null;
  readonly labels: Record<string, string>;
  config(): Record<string, unknown>;
  start(options?: Abortable): Promise<Sandbox>;
  startDetached(options?: Abortable): Promise<Sandbox>;
  connect(options?: Abortable): Promise<Sandbox>;
  connectWithTimeout(timeoutMs: number, options?: Abortable): Promise<Sandbox>;
  remove(): Promise<void>;
  snapshot(name: string, options?: Omit<SnapshotOptions, "name" | "path">): Promise<Snapshot>;
  snapshotTo(path: string, options?: Omit<SnapshotOptions, "name" | "path">): Promise<Snapshot>;
}
export interface CreateOptions extends Abortable {
  detached?: boolean;
  progress?: (event: PullEvent) => void;
}
export interface Sandbox extends CommonSandbox {}
export declare class Sandbox implements AsyncDisposableLike {
  private constructor();
  static builder(name?: string): SandboxBuilder;
  static check(name: string | undefined, options: SandboxOptions): Promise<void>;
  static create(name: string | undefined, options: SandboxOptions, rest?: CreateOptions): Promise<Sandbox>;
  static createWithPullProgress(name: string | undefined, options: SandboxOptions,
    rest?: Omit<CreateOptions, "progress">): PullProgressCreate;
  static start(name: string, options?: Abortable): Promise<Sandbox>;
  static startDetached(name: string, options?: Abortable): Promise<Sandbox>;
  static get(name: string): Promise<SandboxHandle>;
  static list(options?: { labels?: string[] }): Promise<SandboxHandle[]>;
  static remove(name: string): Promise<void>;
  readonly ownsLifecycle: boolean;
  config(): Promise<Record<string, unknown>>;
  status(): Promise<SandboxStatus>;
  wait(options?: Abortable): Promise<SandboxExit>;
  stopAndWait(options?: Abortable): Promise<SandboxExit>;
  drain(): Promise<void>;
  detach(): Promise<void>;
  removePersisted(): Promise<void>;
  exec(command: string, args?: string[], options?: ExecOptions): Promise<ExecOutput>;
  execWith(command: string, f: Fill<ExecOptionsBuilder, ExecOptions>): Promise<ExecOutput>;
  execStream(command: string, args?: string[], options?: ExecOptions): Promise<ExecHandle>;
  execStreamWith(command: string, f: Fill<ExecOptionsBuilder, ExecOptions>): Promise<ExecHandle>;
  shell(script: string, options?: ExecOptions): Promise<ExecOutput>;
  shellWith(script: string, f: Fill<ExecOptionsBuilder, ExecOptions>): Promise<ExecOutput>;
  shellStream(script: string, options?: ExecOptions): Promise<ExecHandle>;
  shellStreamWith(script: string, f: Fill<ExecOptionsBuilder, ExecOptions>): Promise<ExecHandle>;
  fs(): SandboxFs;
  metricsStream(intervalMs?: number): MetricsStream;
  ping(options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<number>;
  touch(options?: { timeoutMs?: number; signal?: AbortSignal }): Promise<void>;
  agentSocket(): string;
  close(): Promise<void>;
  [asyncDispose](): Promise<void>;
}

export type PullEvent =
  | { kind: "resolving"; reference: string }
  | { kind: "resolved"; reference: string; layerCount: number; totalDownloadBytes: number }
  | { kind: "layerDownloadProgress"; layerIndex: number; downloadedBytes: number; totalBytes: number }
  | { kind: "layerMaterializeProgress"; layerIndex: number; bytesRead: number; totalBytes: number }
  | { kind: "layerWaiting" | "layerCached" | "layerMaterializeComplete"; layerIndex: number }
  | { kind: "stitchMergingTrees"; layerCount: number }
  | { kind: "note"; message: string }
  | { kind: "complete" };
export declare class PullProgressCreate implements AsyncIterable<PullEvent> {
  private constructor();
  readonly progress: this;
  recv(): Promise<PullEvent | null>;
  awaitSandbox(): Promise<Sandbox>;
  [Symbol.asyncIterator](): AsyncGenerator<PullEvent, void, undefined>;
}

// ---- commands ----

export interface ExecOptions extends Abortable {
  args?: string[];
  cwd?: string;
  user?: string;
  env?: Record<string, string>;
  /** ms; the command is killed then. 0: none. */
  timeout?: number;
  stdin?: "null" | "pipe" | Uint8Array;
  tty?: boolean;
  size?: { rows?: number; cols?: number };
  rlimits?: Rlimit[];
  outputMax?: number;
}
export declare class ExecOptionsBuilder {
  arg(arg: string): this;
  args(args: string[]): this;
  cwd(path: string): this;
  user(user: string): this;
  env(key: string, value: string): this;
  envs(env: Record<string, string>): this;
  timeout(ms: number): this;
  stdinNull(): this;
  stdinPipe(): this;
  stdinBytes(data: Bytes): this;
  tty(on?: boolean, size?: { rows?: number; cols?: number }): this;
  rlimit(resource: RlimitResource, value: number | "unlimited"): this;
  rlimitRange(resource: RlimitResource, soft: number | "unlimited", hard: number | "unlimited"): this;
  outputMax(bytes: number): this;
  signal(signal: AbortSignal): this;
  options(): ExecOptions;
}
export declare class ExitStatus {
  constructor(code: number, signal?: number);
  /** -1 when a signal ended it. */
  readonly code: number;
  readonly signal: number;
  readonly success: boolean;
}
export declare class ExecOutput {
  private constructor();
  readonly status: ExitStatus;
  readonly code: number;
  readonly signal: number;
  readonly success: boolean;
  readonly truncated: boolean;
  stdout(): string;
  stderr(): string;
  stdoutBytes(): Buffer;
  stderrBytes(): Buffer;
}
export type ExecFailureKind =
  "not_found" | "permission_denied" | "not_executable" | "bad_cwd" | "bad_args" | "resource_limit" |
  "user_setup_failed" | "out_of_memory" | "pty_setup_failed" | "other";
export interface ExecFailure {
  kind: ExecFailureKind;
  errno: number | null;
  errnoName: string | null;
  message: string;
  stage: string | null;
}
export type ExecEvent =
  | { kind: "started"; pid: number }
  | { kind: "stdout"; data: Buffer }
  | { kind: "stderr"; data: Buffer }
  | { kind: "stdin_error"; message: string }
  | { kind: "exited"; code: number; signal: number }
  | { kind: "failed"; failure: ExecFailure; error: ExecFailedError };
export declare class ExecSink implements AsyncDisposableLike {
  private constructor();
  write(data: Bytes): Promise<void>;
  close(): Promise<void>;
  [asyncDispose](): Promise<void>;
}
export declare class ExecHandle implements AsyncIterable<ExecEvent>, AsyncDisposableLike {
  private constructor();
  readonly id: string;
  recv(options?: Abortable): Promise<ExecEvent | null>;
  takeStdin(): Promise<ExecSink | null>;
  wait(options?: Abortable): Promise<ExitStatus>;
  collect(options?: Abortable): Promise<ExecOutput>;
  signal(number: number): Promise<void>;
  kill(): Promise<void>;
  resize(rows: number, cols: number): Promise<void>;
  close(): void;
  [Symbol.asyncIterator](): AsyncGenerator<ExecEvent, void, undefined>;
  [asyncDispose](): Promise<void>;
}

// ---- files ----

export type FsEntryKind = "file" | "directory" | "symlink" | "other";
export interface FsMetadata {
  kind: FsEntryKind;
  size: number;
  /** Permission bits. */
  mode: number;
  uid: number;
  gid: number;
  readonly: boolean;
  modified: Date;
  accessed: Date;
}
export interface FsEntry extends FsMetadata {
  name: string;
  path: string;
}
export interface FsAttributes {
  mode?: number;
  uid?: number;
  gid?: number;
  size?: number;
  accessed?: Date | number;
  modified?: Date | number;
}
export interface FsOpenOptions {
  read?: boolean;
  write?: boolean;
  append?: boolean;
  create?: boolean;
  truncate?: boolean;
  createNew?: boolean;
  mode?: number;
}
export declare class FsReadStream implements AsyncIterable<Buffer>, AsyncDisposableLike {
  private constructor();
  recv(): Promise<Buffer | null>;
  collect(): Promise<Buffer>;
  close(): Promise<void>;
  [Symbol.asyncIterator](): AsyncGenerator<Buffer, void, undefined>;
  [asyncDispose](): Promise<void>;
}
export declare class FsWriteSink implements AsyncDisposableLike {
  private constructor();
  write(data: Bytes): Promise<void>;
  close(): Promise<void>;
  [asyncDispose](): Promise<void>;
}
export declare class FsFile implements AsyncDisposableLike {
  private constructor();
  read(offset: number, length: number): Promise<Buffer>;
  write(offset: number, data: Bytes): Promise<void>;
  stat(): Promise<FsMetadata>;
  setStat(attrs: FsAttributes): Promise<void>;
  close(): Promise<void>;
  [asyncDispose](): Promise<void>;
}
export declare class FileSystem implements AsyncDisposableLike {
  protected constructor();
  read(path: string, options?: Abortable): Promise<Buffer>;
  readToString(path: string): Promise<string>;
  readStream(path: string): Promise<FsReadStream>;
  write(path: string, data: Bytes,
    options?: { mode?: number; append?: boolean; signal?: AbortSignal }): Promise<void>;
  writeStream(path: string, options?: { mode?: number }): Promise<FsWriteSink>;
  open(path: string, options?: FsOpenOptions): Promise<FsFile>;
  list(path: string): Promise<FsEntry[]>;
  stat(path: string, options?: { follow?: boolean }): Promise<FsMetadata>;
  setStat(path: string, attrs: FsAttributes, options?: { follow?: boolean }): Promise<void>;
  exists(path: string): Promise<boolean>;
  mkdir(path: string, options?: { mode?: number }): Promise<void>;
  remove(path: string): Promise<void>;
  removeDir(path: string): Promise<void>;
  removeEmptyDir(path: string): Promise<void>;
  copy(from: string, to: string): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  symlink(target: string, path: string): Promise<void>;
  readLink(path: string): Promise<string>;
  realPath(path: string): Promise<string>;
  close(): Promise<void>;
  [asyncDispose](): Promise<void>;
}
export declare class SandboxFs extends FileSystem {
  copyFromHost(host: string, guest: string, options?: Abortable): Promise<string[]>;
  copyToHost(guest: string, host: string, options?: Abortable): Promise<string[]>;
}
export declare class VolumeFs extends FileSystem {}

// ---- logs and metrics ----

export type LogSource = "stdout" | "stderr" | "output" | "system";
export declare class LogEntry {
  private constructor();
  readonly timestamp: Date;
  readonly timestampNs: bigint;
  readonly source: LogSource;
  readonly sessionId: number | null;
  readonly data: Buffer;
  readonly cursor: string;
  text(): string;
}
/** A Date, ms since 1970, or ns as a bigint. */
export type LogTime = Date | number | bigint;
export interface LogReadOptions extends Abortable {
  tail?: number;
  since?: LogTime;
  until?: LogTime;
  sources?: (LogSource | "all")[];
}
export interface LogStreamOptions extends Abortable {
  sources?: (LogSource | "all")[];
  since?: LogTime;
  fromCursor?: string;
  until?: LogTime;
  follow?: boolean;
}
export declare class LogStream implements AsyncIterable<LogEntry>, AsyncDisposableLike {
  private constructor();
  recv(options?: Abortable): Promise<LogEntry | null>;
  close(): void;
  [Symbol.asyncIterator](): AsyncGenerator<LogEntry, void, undefined>;
  [asyncDispose](): Promise<void>;
}
export declare function readLogs(name: string, options?: LogReadOptions): Promise<LogEntry[]>;
export declare function logStream(name: string, options?: LogStreamOptions):
  Promise<LogStream> & AsyncIterable<LogEntry>;

export interface SandboxMetrics {
  state: "running" | "stalled" | "exited";
  cpus: number;
  /** Over the last interval; 100 is one whole CPU of the host. */
  cpuPercent: number;
  cpuTimeUs: number;
  memoryBytes: number;
  memoryLimitBytes: number;
  guestMemoryBytes: number;
  guestMemoryTotalBytes: number;
  diskReadBytes: number;
  diskWriteBytes: number;
  netRxBytes: number;
  netTxBytes: number;
  uptimeMs: number;
  intervalMs: number;
  timestamp: Date;
  started: Date;
}
export declare class MetricsStream implements AsyncIterable<SandboxMetrics>, AsyncDisposableLike {
  private constructor();
  recv(): Promise<SandboxMetrics | null>;
  close(): void;
  [Symbol.asyncIterator](): AsyncGenerator<SandboxMetrics, void, undefined>;
  [asyncDispose](): Promise<void>;
}
export declare function allSandboxMetrics(): Promise<Map<string, SandboxMetrics>>;

// ---- images, volumes, snapshots ----

export declare class ImageHandle {
  private constructor();
  readonly reference: string;
  readonly manifestDigest: string;
  readonly sizeBytes: number | null;
  readonly architecture: string | null;
  readonly os: string | null;
  readonly layerCount: number;
  readonly createdAt: Date | null;
  readonly lastUsedAt: Date | null;
  inspect(): Promise<ImageDetail>;
  remove(options?: { force?: boolean }): Promise<void>;
}
export interface ImageDetail {
  handle: ImageHandle;
  config: {
    digest: string;
    env: string[];
    cmd: string[] | null;
    entrypoint: string[] | null;
    workingDir: string | null;
    user: string | null;
    stopSignal: string | null;
    labels: Record<string, string>;
  } | null;
  layers: {
    diffId: string; blobDigest: string; mediaType: string; compressedSizeBytes: number; position: number;
  }[];
}
export interface PullOptions extends Abortable {
  policy?: PullPolicy;
  force?: boolean;
  insecure?: boolean;
  caCerts?: string;
  username?: string;
  password?: string;
  progress?: (event: PullEvent) => void;
}
export interface PruneResult {
  references: number;
  manifests: number;
  layers: number;
  merged: number;
  bytes: number;
}
export declare const Image: {
  get(reference: string): Promise<ImageHandle>;
  list(): Promise<ImageHandle[]>;
  inspect(reference: string): Promise<ImageDetail>;
  remove(reference: string, options?: { force?: boolean }): Promise<void>;
  prune(): Promise<PruneResult>;
  gc(): Promise<number>;
  pull(reference: string, options?: PullOptions): Promise<boolean>;
};

export declare class VolumeHandle {
  protected constructor();
  readonly name: string;
  readonly path: string;
  readonly kind: "dir" | "disk";
  readonly quotaMib: number | null;
  readonly capacityBytes: number | null;
  readonly usedBytes: number;
  readonly labels: [string, string][];
  readonly createdAt: Date | null;
  fs(): VolumeFs;
  remove(): Promise<void>;
}
export interface VolumeOptions {
  quotaMib?: number;
  capacityMib?: number;
  labels?: Record<string, string>;
}
export declare class VolumeBuilder {
  constructor(name: string);
  quota(mib: number): this;
  disk(mib: number): this;
  label(key: string, value: string): this;
  create(): Promise<Volume>;
}
export declare class Volume extends VolumeHandle {
  static builder(name: string): VolumeBuilder;
  static create(name: string, options?: VolumeOptions): Promise<Volume>;
  static get(name: string): Promise<VolumeHandle>;
  static list(): Promise<VolumeHandle[]>;
  static remove(name: string): Promise<void>;
}

export interface SnapshotOptions extends Abortable {
  name?: string;
  path?: string;
  labels?: Record<string, string>;
  force?: boolean;
  recordIntegrity?: boolean;
}
export declare class SnapshotBuilder {
  constructor(source: string);
  name(name: string): this;
  path(path: string): this;
  label(key: string, value: string): this;
  force(on?: boolean): this;
  recordIntegrity(on?: boolean): this;
  signal(signal: AbortSignal): this;
  create(): Promise<Snapshot>;
}
export declare class SnapshotHandle {
  protected constructor();
  readonly digest: string;
  readonly name: string | null;
  readonly path: string;
  readonly parentDigest: string | null;
  readonly imageRef: string;
  readonly format: string;
  readonly sizeBytes: bigint;
  readonly createdAt: string;
  open(): Promise<Snapshot>;
  remove(options?: { force?: boolean }): Promise<void>;
}
export interface SnapshotVerifyReport {
  digest: string;
  path: string;
  upper: { kind: "verified"; digest: string } | { kind: "notRecorded" };
}
export declare class Snapshot extends SnapshotHandle {
  static builder(source: string): SnapshotBuilder;
  static create(source: string, options: SnapshotOptions): Promise<Snapshot>;
  static open(ref: string): Promise<Snapshot>;
  static get(ref: string): Promise<SnapshotHandle>;
  static list(): Promise<SnapshotHandle[]>;
  static listDir(dir: string): Promise<Snapshot[]>;
  static remove(ref: string, options?: { force?: boolean }): Promise<void>;
  static reindex(dir?: string): Promise<number>;
  static export(ref: string, path: string,
    options?: { withParents?: boolean; plainTar?: boolean; signal?: AbortSignal }): Promise<void>;
  static import(path: string, dest?: string, options?: Abortable): Promise<Snapshot>;
  readonly parent: string | null;
  readonly imageManifestDigest: string | null;
  readonly fstype: string;
  readonly labels: [string, string][];
  readonly sourceSandbox: string | null;
  readonly integrity: string | null;
  verify(options?: Abortable): Promise<SnapshotVerifyReport>;
}

// ---- agent client ----

export declare const FLAG_TERMINAL: 1;
export declare const FLAG_SESSION_START: 2;
export declare const FLAG_SHUTDOWN: 4;
export interface RawFrame {
  id: number;
  flags: number;
  /** A CBOR map {v, t, p}. */
  body: Buffer;
}
export interface FrameToSend {
  flags?: number;
  body: Uint8Array;
}
export interface AgentOptions extends Abortable {
  timeoutMs?: number;
}
export declare class AgentClient implements AsyncDisposableLike {
  private constructor();
  static connectSandbox(name: string, options?: AgentOptions): Promise<AgentClient>;
  static connect(path: string, options?: AgentOptions): Promise<AgentClient>;
  readonly idRange: { first: number; end: number };
  readyBytes(): Buffer;
  ready(): Buffer;
  request(flags: number, body: Uint8Array, options?: AgentOptions): Promise<RawFrame>;
  request(frame: FrameToSend, options?: AgentOptions): Promise<RawFrame>;
  stream(flags: number, body: Uint8Array, options?: Abortable): Promise<AgentStream>;
  stream(frame: FrameToSend, options?: Abortable): Promise<AgentStream>;
  send(id: number, flags: number, body: Uint8Array): Promise<void>;
  send(frame: FrameToSend & { id: number }): Promise<void>;
  close(): void;
  [asyncDispose](): Promise<void>;
}
export declare class AgentStream implements AsyncIterableIterator<RawFrame>, AsyncDisposableLike {
  private constructor();
  readonly id: number;
  recv(options?: Abortable): Promise<RawFrame | null>;
  next(): Promise<IteratorResult<RawFrame, undefined>>;
  return(value?: undefined): Promise<IteratorResult<RawFrame, undefined>>;
  close(): void;
  [Symbol.asyncIterator](): this;
  [asyncDispose](): Promise<void>;
}

// ---- the library ----

export declare function version(): string;
export declare function featureSupported(name: string): boolean;
export declare function isInstalled(): true;
export declare function handleCounts(): Record<
  "home" | "sandbox" | "exec" | "fs" | "log" | "agent" | "agentStream" | "cancel", number>;
export declare function KiB(n: number): number;
export declare function MiB(n: number): number;
export declare function GiB(n: number): number;
export declare function TiB(n: number): number;
