#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A tour: commands, input and output, files, logs, and what goes wrong."""
import asyncio

from microsandbox import ExecFailedError, ExecTimeoutError, Network, Sandbox


async def commands(sandbox: Sandbox) -> None:
    output = await sandbox.exec("sh", ["-c", "echo $WHO; exit 3"], env={"WHO": "guest"})
    print("exit code", output.exit_code, "after", output.stdout_text.strip())
    try:
        await sandbox.exec("sleep", ["60"], timeout=0.2)
    except ExecTimeoutError:
        print("killed in time")
    try:
        await sandbox.exec("no-such-program")
    except ExecFailedError as e:
        print("not started:", e.details["kind"])


async def conversation(sandbox: Sandbox) -> None:
    async with await sandbox.exec_stream("cat", stdin="pipe") as cat:
        stdin = cat.take_stdin()
        assert stdin is not None
        await stdin.write("one\n")
        async for event in cat:
            if event.event_type == "stdout":
                print("cat says", event.data.decode().strip())
                await stdin.close()


async def main() -> None:
    async with await Sandbox.create(image="busybox", network=Network.none()) as sandbox:
        await commands(sandbox)
        await conversation(sandbox)
        await sandbox.fs.write("/root/note", "kept in the guest\n")
        print(await sandbox.fs.read_text("/root/note"), end="")
        async for entry in sandbox.log_stream():
            print("log:", entry.source, entry.text().strip())


if __name__ == "__main__":
    asyncio.run(main())
