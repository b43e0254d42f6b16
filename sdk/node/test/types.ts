// SPDX-License-Identifier: Apache-2.0
// Compiled, not run: what programs write agrees with the declarations, and what they must not write does not.
import {
  AgentClient, Destination, ExecFailedError, Image, NetworkPolicy, Rule, Sandbox, Snapshot, Volume, asyncDispose,
} from "../index.js";

export async function program(signal: AbortSignal): Promise<string> {
  const sandbox: Sandbox = await Sandbox.builder("x").image("busybox").cpus(2)
    .volume("/data", (m) => m.tmpfs().size(64))
    .patch((p) => p.text("/a", "b", { mode: 0o600 }))
    .network((n) => n.policy((p) => p.egress((r) => r.tcp().port(443).allowPublic())).port(80, 80))
    .secret({ env: "TOKEN", value: "v", hosts: ["a.example"] })
    .port(8080, 80)
    .create({ signal });
  await Sandbox.create("y", { image: { oci: "busybox", upperSizeMib: 64 }, mounts: { "/d": { named: "v" } } });
  const output = await sandbox.exec("echo", ["hi"], { cwd: "/", timeout: 100, signal });
  const cat = await sandbox.execStreamWith("cat", (o) => o.stdinPipe());
  for await (const event of cat) {
    if (event.kind === "stdout") event.data.toString();
    else if (event.kind === "failed") throw event.error;
    else if (event.kind === "exited") Math.abs(event.code);
  }
  for await (const entry of sandbox.logStream({ follow: true, sources: ["all"] })) entry.text();
  const client = await AgentClient.connectSandbox("x", { timeoutMs: 5 });
  const { id } = await client.request({ body: client.ready() });
  await client.send(id, 0, new Uint8Array(1));
  const size: bigint = (await Snapshot.create("x", { name: "s" })).sizeBytes;
  const labels: [string, string][] = (await Volume.get("v")).labels;
  const env: string[] | undefined = (await Image.inspect("busybox")).config?.env;
  NetworkPolicy.builder().rule(Rule.allowEgress(Destination.group("public"))).build();
  await sandbox[asyncDispose]();
  return `${output.stdout()} ${size} ${labels.length} ${env?.length}`;
}

export async function wrong(sandbox: Sandbox, error: ExecFailedError): Promise<void> {
  // @ts-expect-error: no such option
  await sandbox.exec("echo", ["hi"], { cwdd: "/" });
  // @ts-expect-error: a number
  Sandbox.builder("x").cpus("2");
  // @ts-expect-error: no such group
  Destination.group("everybody");
  // @ts-expect-error: it is made by the library
  new Sandbox();
  // @ts-expect-error: only read
  error.kind = "other";
}
