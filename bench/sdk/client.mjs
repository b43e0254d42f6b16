// SPDX-License-Identifier: Apache-2.0
// What client.c does, by the package for Node.js.
import path from "node:path";
import process from "node:process";
import readline from "node:readline";
import { pathToFileURL } from "node:url";

const { Sandbox } = await import(pathToFileURL(path.join(process.env.MSB_NODE_PACKAGE, "index.js")));
const sandbox = await (await Sandbox.get("bench")).connect();

async function stream(size) {
  let total = 0;
  for await (const event of await sandbox.execStream("head", ["-c", String(size), "/dev/zero"])) {
    if (event.kind === "stdout") total += event.data.length;
  }
  if (total !== size) throw new Error(`${total} bytes`);
}

const many = (n) => Promise.all(Array.from({ length: n }, () => sandbox.exec("true")));

async function timed(f) {
  const start = performance.now();
  await f();
  return Math.round((performance.now() - start) * 1000);
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const [what, n] = [line.split(" ")[0], Number(line.split(" ")[1])];
  const took = [];
  if (what === "exec") for (let i = 0; i < n; i++) took.push(await timed(() => sandbox.exec("true")));
  else took.push(await timed(() => (what === "stream" ? stream(n) : many(n))));
  console.log(took.join(" "));
}
