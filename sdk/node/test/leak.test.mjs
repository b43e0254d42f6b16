// SPDX-License-Identifier: Apache-2.0
// What is held, and how programs and workers end. Needs --expose-gc.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs";
import test from "node:test";
import { Worker } from "node:worker_threads";
import { collectGarbage, msb, packageDir, withSandbox } from "./common.mjs";

const index = new URL(`file://${packageDir}/index.js`).href;
const descriptors = () => fs.readdirSync("/proc/self/fd").length;

async function everything(sb) {
  await Promise.all(Array.from({ length: 20 }, () => sb.exec("true")));
  const stream = await sb.execStream("echo", ["x"]);
  for await (const event of stream) assert.notEqual(event.kind, "failed");
  await (await sb.execStream("sleep", ["100"])).recv();
  await sb.exec("nothing-of-that-name").catch(() => {});
  await sb.exec("sleep", ["100"], { signal: AbortSignal.timeout(50) }).catch(() => {});
  await sb.fs().write("/tmp/x", Buffer.alloc(1 << 20));
  await (await sb.fs().readStream("/tmp/x")).collect();
  await sb.readLogs();
  for await (const entry of sb.logStream({ follow: true })) if (entry.text() === "x\n") break;
  const client = await msb.AgentClient.connectSandbox(sb.name);
  await client[msb.asyncDispose]();
  await (await msb.Sandbox.get(sb.name)).connect();
}

test("nothing is held that was given up", async () => {
  await withSandbox("node-leak", async (sb) => {
    await everything(sb);
    await collectGarbage();
    const [before, open] = [msb.handleCounts(), descriptors()];
    assert.deepEqual({ ...before, cancel: 0 },
      { home: 1, sandbox: 1, exec: 0, fs: 1, log: 0, agent: 0, agentStream: 0, cancel: 0 });
    const memory = () => process.memoryUsage().rss;
    for (let i = 0; i < 3; i++) await everything(sb);
    await collectGarbage();
    const rss = memory();
    for (let i = 0; i < 5; i++) await everything(sb);
    await collectGarbage();
    assert.deepEqual(msb.handleCounts(), before);
    assert.ok(descriptors() <= open, `${descriptors()} descriptors, ${open} before`);
    assert.ok(memory() - rss < 32 << 20, `${(memory() - rss) >> 20} MiB more`);
  });
});

const run = (code) => spawnSync(process.execPath, ["--input-type=module", "-e",
  `import * as msb from ${JSON.stringify(index)};\n${code}`], { encoding: "utf8", timeout: 120000 });

test("a program ends", async (t) => {
  await withSandbox("node-end", async () => {
    await t.test("although it holds live objects", () => {
      const p = run(`const s = await (await msb.Sandbox.get("node-end")).connect();
        const x = await s.execStream("sleep", ["1000"]); await x.recv(); await s.fs().list("/");
        const l = await s.logStream({ follow: true }); console.log("done");`);
      assert.deepEqual([p.status, p.stdout, p.stderr], [0, "done\n", ""]);
    });
    await t.test("in the middle of calls", () => {
      const p = run(`const s = await (await msb.Sandbox.get("node-end")).connect();
        s.exec("sleep", ["1000"]).catch(() => {}); s.wait().catch(() => {});
        const x = await s.execStream("sleep", ["1000"]); await x.recv(); x.recv();
        setTimeout(() => process.exit(7), 300);`);
      assert.deepEqual([p.status, p.stderr], [7, ""]);
    });
    await t.test("its workers, too", async () => {
      const worker = new Worker(`
        import(${JSON.stringify(index)}).then(async (msb) => {
          const s = await (await msb.Sandbox.get("node-end")).connect();
          const { parentPort } = require("node:worker_threads");
          parentPort.postMessage((await s.exec("echo", ["worker"])).stdout());
          (await s.execStream("sleep", ["1000"])).wait();
          s.exec("sleep", ["1000"]);
          parentPort.postMessage("waits");
        });`, { eval: true });
      const messages = [];
      await new Promise((resolve, reject) => {
        worker.on("error", reject);
        worker.on("message", (m) => (messages.push(m), m === "waits" && setTimeout(resolve, 200)));
      });
      await worker.terminate();
      assert.deepEqual(messages, ["worker\n", "waits"]);
    });
  });
  assert.ok(!(await msb.Sandbox.list()).some((s) => s.name === "node-end"));
});

test("an attached sandbox ends with its program", async () => {
  const p = run(`await msb.Sandbox.builder("node-orphan").image("busybox").create(); process.exit(0);`);
  assert.deepEqual([p.status, p.stderr], [0, ""]);
  const handle = await msb.Sandbox.get("node-orphan");
  await handle.stop();
  await handle.remove();
});
