// SPDX-License-Identifier: Apache-2.0
// The package that was built, and sandboxes for tests. MSB_HOME says whose.
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const here = path.dirname(fileURLToPath(import.meta.url));
export const packageDir = process.env.MSB_NODE_PACKAGE ?? path.join(here, "../../../build/sdk/node");
export const msb = await import(pathToFileURL(path.join(packageDir, "index.js")));

/** A running sandbox, stopped and removed after f. */
export async function withSandbox(name, f, fill = (b) => b) {
  const sandbox = await fill(msb.Sandbox.builder(name).image("busybox")).replaceWithTimeout(0).create();
  try {
    return await f(sandbox);
  } finally {
    await sandbox.close();
    await msb.Sandbox.remove(name);
  }
}

export async function collectGarbage() {
  for (let i = 0; i < 5; i++) {
    globalThis.gc();
    await new Promise(setImmediate);
  }
}
