// SPDX-License-Identifier: Apache-2.0
// A command, a stream with input, and a file.
import { Sandbox, asyncDispose } from "microsandbox";

const sandbox = await Sandbox.builder("hello-node").image("busybox").memory(256).replace().create();
try {
  const output = await sandbox.exec("echo", ["hello from a machine of its own"]);
  process.stdout.write(output.stdout());

  const sort = await sandbox.execStreamWith("sort", (o) => o.stdinPipe());
  const stdin = await sort.takeStdin();
  await stdin.write("pear\napple\n");
  await stdin.close();
  for await (const event of sort) {
    if (event.kind === "stdout") process.stdout.write(event.data);
  }

  await sandbox.fs().write("/tmp/note", "written from outside\n");
  process.stdout.write((await sandbox.shell("cat /tmp/note")).stdout());
} finally {
  await sandbox[asyncDispose](); // `await using` does this, where there is it
  await Sandbox.remove("hello-node");
}
