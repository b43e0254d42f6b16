// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import test from "node:test";
import { msb, withSandbox } from "./common.mjs";

test("commands", async (t) => {
  await withSandbox("node-exec", async (sb) => {
    await t.test("collected, with options as an object and by a builder", async () => {
      const plain = await sb.exec("sh", ["-c", "echo $A; pwd; cat; exit 3"],
        { env: { A: "1" }, cwd: "/tmp", stdin: Buffer.from("input") });
      assert.equal(plain.stdout(), "1\n/tmp\ninput");
      assert.equal(plain.code, 3);
      assert.equal(plain.success, false);
      const built = await sb.execWith("sh", (o) =>
        o.args(["-c", "ulimit -n; echo err >&2"]).rlimit("nofile", 77).timeout(60000));
      assert.equal(built.stdout(), "77\n");
      assert.equal(built.stderrBytes().toString(), "err\n");
      assert.equal((await sb.shell("echo $0 | grep -c sh")).stdout(), "1\n");
    });

    await t.test("unknown options and wrong types are TypeErrors", async () => {
      await assert.rejects(async () => sb.exec("true", [], { cwdd: "/" }), TypeError);
      await assert.rejects(async () => sb.exec("true", [], { env: { A: 1 } }), TypeError);
      await assert.rejects(async () => sb.exec("true", [], { timeout: -1 }), TypeError);
      await assert.rejects(async () => sb.exec("a\0b"), TypeError);
      await assert.rejects(async () => sb.exec("true", "no array"), TypeError);
    });

    await t.test("a stream with input, in both directions at once", async () => {
      const cat = await sb.execStream("cat", [], { stdin: "pipe" });
      const stdin = await cat.takeStdin();
      assert.equal(await cat.takeStdin(), null);
      const piece = Buffer.alloc(1 << 20, "x");
      const writing = (async () => {
        for (let i = 0; i < 8; i++) await stdin.write(piece);
        await stdin.close();
        await stdin.close();
      })();
      let read = 0;
      const seen = new Set();
      for await (const event of cat) {
        seen.add(event.kind);
        if (event.kind === "stdout") read += event.data.length;
      }
      await writing;
      assert.equal(read, 8 << 20);
      assert.deepEqual([...seen], ["started", "stdout", "exited"]);
      assert.equal((await cat.wait()).success, true);
      assert.equal(await cat.recv(), null);
    });

    await t.test("the event loop has its turn during a stream", async () => {
      const dd = await sb.execStream("dd", ["if=/dev/zero", "bs=1M", "count=64"]);
      let turns = 0;
      const timer = setInterval(() => turns++, 1);
      for await (const event of dd) if (event.kind === "exited") assert.equal(event.code, 0);
      clearInterval(timer);
      assert.ok(turns > 3, `${turns} turns`);
    });

    await t.test("what cannot be started is a failed event, and an error", async () => {
      const nothing = await sb.execStream("no-such-program");
      const event = await nothing.recv();
      assert.equal(event.kind, "failed");
      assert.equal(event.failure.kind, "not_found");
      assert.equal(await nothing.recv(), null);
      await assert.rejects(nothing.wait(), msb.ExecFailedError);
      await assert.rejects(sb.exec("no-such-program"), (e) =>
        e instanceof msb.ExecFailedError && e instanceof msb.MicrosandboxError &&
        e.kind === "exec_failed" && e.code === "execFailed" && e.details.kind === "not_found");
    });

    await t.test("time limits", async () => {
      await assert.rejects(sb.exec("sleep", ["1000"], { timeout: 200 }), (e) =>
        e instanceof msb.ExecTimeoutError && e.timeoutMs === 200);
      const stream = await sb.execStream("sleep", ["1000"], { timeout: 200 });
      assert.equal((await stream.recv()).kind, "started");
      await assert.rejects(stream.recv(), msb.ExecTimeoutError);
      assert.equal(await stream.recv(), null);
    });

    await t.test("an AbortSignal ends waits", async () => {
      const abort = new AbortController();
      const sleeping = sb.exec("sleep", ["1000"], { signal: abort.signal });
      setTimeout(() => abort.abort("enough"), 100);
      await assert.rejects(sleeping, (e) => e instanceof msb.CancelledError && e.cause === "enough");
      await assert.rejects(async () => sb.exec("true", [], { signal: abort.signal }), msb.CancelledError);

      const stream = await sb.execStream("sleep", ["1000"]);
      assert.equal((await stream.recv()).kind, "started");
      await assert.rejects(stream.recv({ signal: AbortSignal.timeout(50) }), msb.CancelledError);
      await stream.kill();
      assert.deepEqual(await stream.recv(), { kind: "exited", code: -1, signal: 9 });
    });

    await t.test("signals and sizes do not wait for whoever receives", async () => {
      const shell = await sb.shellStream("trap 'stty size; exit 5' WINCH; echo ready; while :; do sleep 0.1; done",
        { tty: true });
      const output = [];
      for await (const event of shell) {
        if (event.kind === "stdout") output.push(event.data);
        if (event.kind === "stdout" && event.data.includes("ready")) await shell.resize(33, 99);
      }
      assert.match(Buffer.concat(output).toString(), /33 99/);
      assert.equal((await shell.wait()).code, 5);
    });

    await t.test("giving a command up ends it", async () => {
      const stream = await sb.execStream("sleep", ["4321"]);
      await stream.recv();
      await stream[msb.asyncDispose]();
      assert.equal(await stream.recv(), null);
      const collected = await sb.execStream("sleep", ["4321"]);
      const output = collected.collect();
      collected.close();
      await assert.rejects(output, msb.CancelledError);
      await sb.shell("while pidof sleep; do :; done", { timeout: 60000 });
    });

    await t.test("a hundred at once", async () => {
      const all = await Promise.all(Array.from({ length: 100 }, (_, i) => sb.exec("echo", [`${i}`])));
      assert.deepEqual(all.map((o) => o.stdout()), all.map((_, i) => `${i}\n`));
    });

    await t.test("collect gives the rest", async () => {
      const stream = await sb.execStream("echo", ["rest"]);
      const output = await stream.collect();
      assert.equal(output.stdout(), "rest\n");
      assert.equal((await stream.wait()).code, 0);
    });
  });
});
