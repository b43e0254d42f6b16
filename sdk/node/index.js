// SPDX-License-Identifier: Apache-2.0
// Everything that programs use.
import { SandboxBuilder } from "./lib/builder.js";
import { native } from "./lib/native.js";
import { Sandbox } from "./lib/sandbox.js";

/** Describe a sandbox step by step, then create() it. */
Sandbox.builder = (name) => new SandboxBuilder(name);

export * from "./lib/errors.js";
export { SandboxBuilder };
export { Sandbox, SandboxHandle } from "./lib/sandbox.js";
export { ExecHandle, ExecOptionsBuilder, ExecOutput, ExecSink, ExitStatus } from "./lib/exec.js";
export { FileSystem, FsFile, FsReadStream, FsWriteSink, SandboxFs, VolumeFs } from "./lib/fs.js";
export { LogEntry, LogStream, MetricsStream, allSandboxMetrics, logStream, readLogs }
  from "./lib/logs.js";
export { ImageBuilder, InitBuilder, MountBuilder, PatchBuilder, RegistryBuilder, intoRootfsSource }
  from "./lib/parts.js";
export {
  Destination, DnsBuilder, InterfaceBuilder, NetworkBuilder, NetworkPolicy, NetworkPolicyBuilder,
  Rule, RuleBuilder, SecretBuilder, TlsBuilder, ViolationBuilder,
} from "./lib/network.js";
export { Image, ImageHandle } from "./lib/image.js";
export { Volume, VolumeBuilder, VolumeHandle } from "./lib/volume.js";
export { Snapshot, SnapshotBuilder, SnapshotHandle } from "./lib/snapshot.js";
export { PullProgressCreate } from "./lib/progress.js";
export { AgentClient, AgentStream, FLAG_SESSION_START, FLAG_SHUTDOWN, FLAG_TERMINAL }
  from "./lib/agent.js";
export { asyncDispose } from "./lib/native.js";

/** Of the library. */
export const version = () => native.version();
/** Is a part of the library's interface there ("exec", "agent", ...)? */
export const featureSupported = (name) => native.feature(name);
/** Does the addon with its library work? It does, or this module could not be imported. */
export const isInstalled = () => true;
/** How many objects of the library are held, by kind: for tests that look for leaks. */
export const handleCounts = () => native.counts();

export const KiB = (n) => n / 1024;
export const MiB = (n) => n;
export const GiB = (n) => n * 1024;
export const TiB = (n) => n * 1024 * 1024;
