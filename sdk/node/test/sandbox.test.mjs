// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import test from "node:test";
import { msb, withSandbox } from "./common.mjs";

const { AgentClient, Destination, Image, NetworkPolicy, Rule, Sandbox, Snapshot, Volume } = msb;

test("life", async () => {
  const created = await Sandbox.builder("node-life").image("busybox").label("a", "1").createDetached();
  assert.equal(created.ownsLifecycle, false);
  await created[msb.asyncDispose]();
  const handle = await Sandbox.get("node-life");
  assert.equal(handle.status, "running");
  assert.ok(handle.createdAt instanceof Date);
  assert.equal(handle.config().labels.a, "1");
  assert.deepEqual((await Sandbox.list({ labels: ["a=1"] })).map((h) => h.name), ["node-life"]);
  const live = await handle.connectWithTimeout(60000);
  assert.equal((await live.config()).memoryMib, 512);
  assert.ok((await live.ping()) > 0);
  await live.touch();
  const waiting = live.wait();
  await assert.rejects(handle.remove(), msb.SandboxStillRunningError);
  assert.equal(await handle.stopWithTimeout(60000), "graceful");
  assert.equal((await waiting).code, -1);
  const again = await (await Sandbox.list()).find((h) => h.name === "node-life").start();
  assert.equal(again.ownsLifecycle, true);
  await again[msb.asyncDispose]();
  assert.throws(() => again.agentSocket(), /given up/);
  assert.equal((await Sandbox.get("node-life")).status, "stopped");
  await Sandbox.remove("node-life");
  await assert.rejects(Sandbox.get("node-life"), (e) =>
    e instanceof msb.SandboxNotFoundError && e.code === "sandboxNotFound" && e.message.includes("node-life"));
});

test("options", async (t) => {
  await t.test("what builders make", () => {
    const b = Sandbox.builder("x").image("busybox").memory(128).replaceWithTimeout(5)
      .volume("/d", (m) => m.tmpfs().size(8).noexec())
      .patch((p) => p.text("/a", "b", { mode: 0o600 }).remove("/c"))
      .portBind("0.0.0.0", 1, 2).portUdp(3, 4)
      .network((n) => n.policy((p) => p.defaultDeny()
        .egress((r) => r.tcp().portRange(80, 81).allowPublic().deny((d) => d.domain("a.example")))
        .rule(Rule.allowDns())).dns((d) => d.queryTimeoutMs(9)).secretEnvSimple("T", "v", "b.example"));
    assert.deepEqual(b.options(), {
      image: "busybox", memoryMib: 128, replaceTimeoutMs: 5,
      mounts: { "/d": { tmpfs: true, sizeMib: 8, noexec: true } },
      patches: [
        { kind: "text", path: "/a", content: "b", mode: 0o600, replace: undefined },
        { kind: "remove", path: "/c", mode: undefined, replace: undefined },
      ],
      ports: [
        { host: 1, guest: 2, bind: "0.0.0.0", protocol: "tcp" },
        { host: 3, guest: 4, bind: undefined, protocol: "udp" },
      ],
      network: {
        policy: {
          defaultEgress: "deny", defaultIngress: "deny",
          rules: [
            { action: "allow", direction: "egress", destination: "public", protocols: ["tcp"], ports: ["80-81"] },
            { action: "deny", direction: "egress", destination: "domain=a.example", protocols: ["tcp"], ports: ["80-81"] },
            "allow@dns",
          ],
        },
        dns: { queryTimeoutMs: 9 },
      },
      secrets: [{ env: "T", value: "v", hosts: ["b.example"] }],
    });
    assert.equal(Destination.domainSuffix(".a.example"), "suffix=a.example");
    assert.equal(NetworkPolicy.publicOnly(), "public_only");
  });

  await t.test("the library checks all of them", async () => {
    const good = Sandbox.builder("node-check").image("busybox").cpus(2)
      .volume("/b", (m) => m.bind(os.tmpdir()).readonly().statVirtualization("relaxed").hostPermissions("mirror"))
      .network((n) => n.policy((p) => p.any((r) => r.allowLocal()).ingress((r) => r.tcp().port(80).denyMeta()))
        .tls((x) => x.bypass("*.a.example").interceptedPorts([443, 8443]).blockQuic(false))
        .ipv4Pool("10.9.0.0/16").maxConnections(9).onSecretViolation((v) => v.passthroughHost("c.example")))
      .secret((s) => s.env("K").value("v").allowHostPattern("*.a.example").injectQuery().requireTlsIdentity(false))
      .registry((r) => r.auth({ username: "u", password: "p" })).rlimitRange("nofile", 10, 20)
      .initWith("auto", (i) => i.arg("--x").env("A", "b")).script("s", "echo").metricsSampleIntervalMs(100);
    assert.equal((await good.build()).name, "node-check");
    for (const [options, name] of [
      [{ cpus: 0 }, "cpus"], [{ mounts: { "/": { tmpfs: true } } }, "mounts"],
      [{ network: { policy: { rules: ["allow@*.com"] } } }, "com"],
    ]) {
      await assert.rejects(Sandbox.check("x", { image: "busybox", ...options }), (e) =>
        e instanceof msb.InvalidConfigError && e.message.includes(name), name);
    }
  });

  await t.test("unknown names and wrong types are TypeErrors", async () => {
    for (const options of [
      { memory_mib: 5 }, { network: { dns: { nameserver: "x" } } }, { mounts: { "/a": { tmpfs: 1 } } },
      { patches: [{ kind: "text", path: "/a", contents: "" }] }, { cpus: "2" }, { env: [] },
    ]) {
      await assert.rejects(Sandbox.create("x", { image: "busybox", ...options }), TypeError);
    }
    assert.throws(() => Sandbox.builder("x").volume("/a"), TypeError);
    assert.throws(() => Sandbox.builder("x").patch((p) => p.text("/a", "", { modus: 1 })), TypeError);
  });
});

test("files", async () => {
  const dir = await fs.mkdtemp(path.join(os.tmpdir(), "msb-node-"));
  await withSandbox("node-fs", async (sb) => {
    const files = sb.fs();
    const data = Buffer.from(Array.from({ length: 3 << 20 }, (_, i) => i % 251));
    const sink = await files.writeStream("/tmp/big");
    for (let at = 0; at < data.length; at += 1 << 19) await sink.write(data.subarray(at, at + (1 << 19)));
    await sink.close();
    assert.ok((await (await files.readStream("/tmp/big")).collect()).equals(data));
    await files.mkdir("/tmp/d/e", { mode: 0o750 });
    await files.write("/tmp/d/e/f", "text");
    await files.write("/tmp/d/e/f", "more", { append: true });
    assert.equal(await files.readToString("/tmp/d/e/f"), "textmore");
    assert.deepEqual((await files.list("/tmp/d/e")).map((e) => [e.path, e.kind, e.size]),
      [["/tmp/d/e/f", "file", 8]]);
    await files.setStat("/tmp/d/e/f", { mode: 0o400, modified: new Date(86400000) });
    const stat = await files.stat("/tmp/d/e/f");
    assert.deepEqual([stat.mode, stat.readonly, stat.modified.getTime()], [0o400, true, 86400000]);
    const open = await files.open("/tmp/d/e/f", { read: true });
    assert.equal((await open.read(4, 100)).toString(), "more");
    await open.close();
    await assert.rejects(files.read("/no"), (e) =>
      e instanceof msb.PathNotFoundError && e instanceof msb.SandboxFsError && e.errno === 2);
    await fs.writeFile(path.join(dir, "in"), "host");
    assert.deepEqual(await files.copyFromHost(path.join(dir, "in"), "/tmp/in"), []);
    await files.copyToHost("/tmp/in", path.join(dir, "out"));
    assert.equal(await fs.readFile(path.join(dir, "out"), "utf8"), "host");
  });
  await fs.rm(dir, { recursive: true });
});

test("logs and metrics", async () => {
  await withSandbox("node-logs", async (sb) => {
    await sb.shell("echo one; echo two >&2");
    const abort = new AbortController();
    const seen = [];
    for await (const entry of sb.logStream({ follow: true })) {
      seen.push(entry);
      if (seen.length === 2) break;
    }
    assert.deepEqual(seen.map((e) => e.text().trim()).sort(), ["one", "two"]);
    assert.ok(seen[0].timestamp instanceof Date && typeof seen[0].timestampNs === "bigint");
    const all = await sb.readLogs({ since: seen[0].timestamp });
    assert.equal(all.length, 2);
    const rest = [];
    for await (const entry of await sb.logStream({ fromCursor: seen[0].cursor })) rest.push(entry.text());
    assert.equal(rest.length, 1);
    const stream = await sb.logStream({ follow: true, fromCursor: seen[1].cursor });
    setTimeout(() => abort.abort(), 50);
    await assert.rejects(stream.recv({ signal: abort.signal }), msb.CancelledError);
    const pending = stream.recv();
    stream.close();
    assert.equal(await pending, null);
    await assert.rejects(sb.readLogs({ sources: ["nowhere"] }), TypeError);

    const samples = [];
    for await (const m of sb.metricsStream(20)) if (samples.push(m) === 2) break;
    assert.ok(samples[1].uptimeMs > 0 && samples[1].timestamp instanceof Date);
    assert.ok((await msb.allSandboxMetrics()).get("node-logs").memoryBytes > 0);
  }, (b) => b.metricsSampleIntervalMs(50));
  await withSandbox("node-dark", (sb) => assert.rejects(sb.metrics(), msb.MetricsDisabledError),
    (b) => b.disableMetricsSample());
});

test("what is stored", async () => {
  const volume = await Volume.builder("node-vol").quota(16).label("k", "v").create();
  assert.deepEqual([volume.quotaMib, volume.labels], [16, [["k", "v"]]]);
  await volume.fs().write("a", "b");
  assert.equal(await (await Volume.get("node-vol")).fs().readToString("a"), "b");
  await assert.rejects(volume.fs().read("../../config.json"), msb.MicrosandboxError);
  await assert.rejects(Volume.create("node-vol"), msb.VolumeAlreadyExistsError);
  await withSandbox("node-vols", async (sb) => {
    assert.equal((await sb.exec("cat", ["/v/a"])).stdout(), "b");
    await sb.shell("echo kept > /kept");
    await sb.stop();
    const snap = await Snapshot.builder("node-vols").name("node-snap").label("l", "m").recordIntegrity().create();
    assert.equal(typeof snap.sizeBytes, "bigint");
    assert.equal((await snap.verify()).upper.kind, "verified");
    await withSandbox("node-from", async (from) =>
      assert.equal((await from.exec("cat", ["/kept"])).stdout(), "kept\n"),
    (b) => b.set("image", undefined).fromSnapshot("node-snap"));
    await (await Snapshot.list()).find((s) => s.name === "node-snap").remove();
  }, (b) => b.volume("/v", (m) => m.named("node-vol")));
  await (await Volume.list()).find((v) => v.name === "node-vol").remove();
  const detail = await Image.inspect("busybox");
  assert.equal(detail.layers.length, detail.handle.layerCount);
  assert.ok(Array.isArray(detail.config.env));
  assert.equal(await Image.pull("busybox"), true);
  await assert.rejects(Image.get("nothing-of-that-name"), msb.ImageNotFoundError);
  await assert.rejects(Image.pull("busybox", { policy: "sometimes" }), TypeError);
});

test("pull progress", async () => {
  // it comes with the product: no registry is asked
  await Image.remove("busybox", { force: true });
  const creating = await Sandbox.builder("node-pull").image("busybox").createWithPullProgress();
  const kinds = [];
  for await (const event of creating) kinds.push(event.kind);
  const sandbox = await creating.awaitSandbox();
  assert.equal(kinds[0], "resolving");
  assert.equal(kinds.at(-1), "complete");
  await sandbox.close();
  await Sandbox.remove("node-pull");
});

test("clients of the agent", async () => {
  await withSandbox("node-agent", async (sb) => {
    const client = await AgentClient.connectSandbox("node-agent");
    const { first, end } = client.idRange;
    assert.ok(end > first);
    assert.ok(client.ready().length > 0);
    assert.ok(client.readyBytes().equals(client.ready()));
    // {"v": 1, "t": "core.ping", "p": {}}
    const ping = Buffer.from("a3617601617469636f72652e70696e676170a0", "hex");
    const answer = await client.request(0, ping);
    assert.ok(answer.id >= first && answer.id < end);
    assert.ok((await client.request({ flags: 0, body: ping })).body.length > 0);
    const other = await AgentClient.connect(sb.agentSocket());
    other.close();
    await assert.rejects(other.request(0, ping), msb.AgentClosedError);
    await assert.rejects(client.request(0, "text"), TypeError);
    await client[msb.asyncDispose]();
  });
});
