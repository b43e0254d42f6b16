#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Driver of the behaviour table (ops.md) for Python."""
import asyncio
import base64
import gc
import json
import sys

import microsandbox as m

objects = {}
sinks = {}
requests = {}


class Unknown(Exception):
    """An operation, or object, that is not known here."""


def to_bytes(value):
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()


def from_bytes(data):
    return {"b64": base64.b64encode(data).decode()}


def get(name):
    try:
        return objects[name]
    except KeyError:
        raise Unknown(f"no object {name!r}") from None


async def drop(name):
    sinks.pop(name, None)
    gone = objects.pop(name, None)
    if gone is not None and hasattr(gone, "close"):
        await gone.close()


async def keep(args, thing):
    await drop(args["as"])
    objects[args["as"]] = thing


def seconds(args, key="timeout_ms"):
    return None if args.get(key) is None else args[key] / 1000


async def sandbox(args):
    """An object, or a handle of the name."""
    return get(args["sandbox"]) if "sandbox" in args else await m.Sandbox.get(args["name"])


# ---- options: keys of docs/sdk.md as keywords

RENAMED = {"memory_mib": "memory", "mounts": "volumes", "max_duration_s": "max_duration",
           "idle_timeout_s": "idle_timeout"}
SECRET = {"env": "env_var", "hosts": "allow_hosts", "host_patterns": "allow_host_patterns",
          "inject": "injection"}


def renamed(d, names):
    return {names.get(k, k): v for k, v in d.items()}


def violation(value):
    if isinstance(value, str):
        return value
    return m.ViolationPolicy.passthrough(**renamed(value, {"passthrough": "hosts"}))


def secret(value):
    fields = renamed(value, SECRET)
    if "on_violation" in fields:
        fields["on_violation"] = violation(fields["on_violation"])
    if "injection" in fields:
        fields["injection"] = m.SecretInjection(
            **renamed(fields["injection"], {"query": "query_params"}))
    return m.SecretEntry(**fields)


def patch(value):
    fields = dict(value)
    if "content_base64" in fields:
        fields["content"] = base64.b64decode(fields.pop("content_base64"))
    return m.PatchConfig(**fields)


def port(value):
    if isinstance(value, str):
        return value
    return m.PortBinding(**renamed(value, {"host": "host_port", "guest": "guest_port"}))


def network(value):
    fields = dict(value)
    if isinstance(fields.get("policy"), dict):
        policy = dict(fields["policy"])
        policy["rules"] = [r if isinstance(r, str) else m.Rule(**r)
                           for r in policy.get("rules", [])]
        fields["policy"] = m.NetworkPolicy(**policy)
    if "dns" in fields:
        fields["dns"] = m.DnsConfig(**fields["dns"])
    if "tls" in fields:
        fields["tls"] = m.TlsConfig(**renamed(fields["tls"], {"ports": "intercepted_ports"}))
    if "ports" in fields:
        fields["ports"] = [port(p) for p in fields["ports"]]
    return m.Network(**fields)


def rlimits(value):
    return [m.Rlimit(**item) for item in value]


CONVERTED = {
    "secrets": lambda v: [secret(s) for s in v], "on_secret_violation": violation,
    "patches": lambda v: [patch(p) for p in v], "ports": lambda v: [port(p) for p in v],
    "network": network, "rlimits": rlimits,
    "mounts": lambda v: {guest: m.MountConfig(**mount) for guest, mount in v.items()},
}


def keywords(args):
    found = {}
    for key, value in args["options"].items():
        value = CONVERTED[key](value) if key in CONVERTED else value
        if key == "replace_timeout_ms":
            found["replace_with_timeout"] = value / 1000
        elif key == "metrics_interval_ms":
            found["metrics_interval"] = value / 1000
        elif key in RENAMED.values() or key in ("replace_with_timeout", "metrics_interval"):
            raise TypeError(f"no option {key!r}")  # ours, but not one of the table
        else:
            found[RENAMED.get(key, key)] = value
    if args.get("detached"):
        found["detached"] = True
    return found


# ---- answers


def handle(h):
    return {"name": h.name, "status": h.status, "config": h.config(), "created_ms": h.created_at,
            "updated_ms": h.updated_at}


def output(o):
    return {"code": o.exit_code, "signal": o.signal, "stdout": from_bytes(o.stdout_bytes),
            "stderr": from_bytes(o.stderr_bytes)}


def event(e):
    if e is None:
        return None
    fields = {"started": {"pid": e.pid}, "stdin_error": {"message": e.message},
              "exited": {"code": e.code, "signal": e.signal}}
    return {"event": e.event_type, **fields.get(e.event_type, {"data": from_bytes(e.data)})}


def log_entry(e):
    return None if e is None else {
        "timestamp_ms": e.timestamp_ms, "source": str(e.source), "session": e.session,
        "data": from_bytes(e.data), "cursor": e.cursor}


def metrics(s):
    return {key: getattr(s, key) for key in (
        "cpu_percent", "memory_bytes", "memory_limit_bytes", "disk_read_bytes", "disk_write_bytes",
        "net_rx_bytes", "net_tx_bytes", "uptime_ms", "timestamp_ms")}


def volume(v):
    return {"name": v.name, "path": v.path, "quota_mib": v.quota_mib, "used_bytes": v.used_bytes,
            "labels": v.labels, "created_ms": v.created_ms}


def image(i):
    return {"reference": i.reference, "digest": i.manifest_digest, "size_bytes": i.size_bytes,
            "architecture": i.architecture, "os": i.os, "layer_count": i.layer_count,
            "created_ms": i.created_ms, "last_used_ms": i.last_used_ms}


def snapshot(s):
    return {"name": s.name, "digest": s.digest, "path": s.path, "image": s.image_ref,
            "format": s.format, "fstype": s.fstype, "parent": s.parent,
            "size_bytes": s.size_bytes, "labels": s.labels, "source": s.source_sandbox}


def frame(f):
    return None if f is None else {"id": f.id, "flags": f.flags, "body": from_bytes(f.body)}


def kinds(events):
    found = []
    for e in events:
        if not found or found[-1] != e.kind:
            found.append(e.kind)
    return found


# ---- operations


class Ops:
    async def hello(self, a):
        return {"language": "python", "version": m.__version__}

    async def cancel(self, a):
        task = requests.get(a["request"])
        if task:
            task.cancel()

    async def drop(self, a):
        await drop(a["object"])

    async def gc(self, a):
        gc.collect()

    async def create(self, a):
        s = await m.Sandbox.create(a.get("name"), **keywords(a))
        await keep(a, s)
        return {"name": s.name}

    async def create_progress(self, a):
        async with m.Sandbox.create_with_progress(a.get("name"), **keywords(a)) as session:
            events = [e async for e in session.progress]
            s = await session.result()
        await keep(a, s)
        return {"name": s.name, "events": kinds(events)}

    async def start(self, a):
        detached = bool(a.get("detached"))
        if "sandbox" in a and isinstance(get(a["sandbox"]), m.SandboxHandle):
            s = await get(a["sandbox"]).start(detached=detached)
        else:
            name = get(a["sandbox"]).name if "sandbox" in a else a["name"]
            s = await m.Sandbox.start(name, detached=detached)
        await keep(a, s)
        return {"name": s.name}

    async def get(self, a):
        h = await m.Sandbox.get(a["name"])
        if a.get("as"):
            await keep(a, h)
        return handle(h)

    async def list(self, a):
        return [handle(h) for h in await m.Sandbox.list()]

    async def connect(self, a):
        h = await sandbox(a)
        if isinstance(h, m.Sandbox):
            h = await m.Sandbox.get(h.name)
        limit = seconds(a)
        s = await (h.connect() if limit is None else h.connect_with_timeout(limit))
        await keep(a, s)
        return {"name": s.name}

    async def info(self, a):
        s = get(a["sandbox"])
        return {"name": s.name, "owns_lifecycle": s.owns_lifecycle}

    async def stop(self, a):
        s, limit = await sandbox(a), seconds(a)
        await (s.stop() if limit is None else s.stop_with_timeout(limit))

    async def kill(self, a):
        await (await sandbox(a)).kill()

    async def request_stop(self, a):
        await (await sandbox(a)).request_stop()

    async def wait(self, a):
        return {"code": (await get(a["sandbox"]).wait()).code}

    async def detach(self, a):
        await get(a["sandbox"]).detach()

    async def remove(self, a):
        s = await sandbox(a)
        await (s.remove_persisted() if isinstance(s, m.Sandbox) else s.remove())

    # commands

    def command_options(self, a):
        found = {key: a[key] for key in ("cwd", "env", "user", "tty") if a.get(key) is not None}
        if a.get("rlimits") is not None:
            found["rlimits"] = rlimits(a["rlimits"])
        stdin = a.get("stdin")
        return {**found, "timeout": seconds(a),
                "stdin": to_bytes(stdin) if isinstance(stdin, dict) else stdin}

    async def exec(self, a):
        return output(await get(a["sandbox"]).exec(
            a["command"], a.get("args"), **self.command_options(a)))

    async def shell(self, a):
        return output(await get(a["sandbox"]).shell(a["script"], **self.command_options(a)))

    async def exec_start(self, a):
        return await self.keep_exec(a, await get(a["sandbox"]).exec_stream(
            a["command"], a.get("args"), **self.command_options(a)))

    async def shell_start(self, a):
        return await self.keep_exec(a, await get(a["sandbox"]).shell_stream(
            a["script"], **self.command_options(a)))

    async def keep_exec(self, a, x):
        await keep(a, x)
        sinks[a["as"]] = x.take_stdin()
        return {"id": x.id}

    async def exec_recv(self, a):
        return event(await get(a["exec"]).recv())

    async def exec_write(self, a):
        await sinks[a["exec"]].write(to_bytes(a["data"]))

    async def exec_close_stdin(self, a):
        await sinks[a["exec"]].close()

    async def exec_kill(self, a):
        await get(a["exec"]).kill()

    async def exec_signal(self, a):
        await get(a["exec"]).signal(a["signal"])

    async def exec_resize(self, a):
        await get(a["exec"]).resize(a["rows"], a["cols"])

    async def exec_wait(self, a):
        end = await get(a["exec"]).wait()
        return {"code": end.code, "signal": end.signal}

    async def exec_collect(self, a):
        return output(await get(a["exec"]).collect())

    # files

    async def fs(self, a):
        if "volume" in a:
            return (await m.Volume.get(a["volume"])).fs
        return get(a["sandbox"]).fs

    async def fs_read(self, a):
        return from_bytes(await (await self.fs(a)).read(a["path"]))

    async def fs_read_text(self, a):
        return await (await self.fs(a)).read_text(a["path"])

    async def fs_write(self, a):
        await (await self.fs(a)).write(a["path"], to_bytes(a["data"]))

    async def fs_list(self, a):
        return [{"name": e.name, "kind": str(e.kind), "mode": e.mode, "size": e.size}
                for e in await (await self.fs(a)).list(a["path"])]

    async def fs_stat(self, a):
        st = await (await self.fs(a)).stat(a["path"], follow=a.get("follow") is not False)
        return {"kind": str(st.kind), "mode": st.mode, "size": st.size,
                "modified_ms": st.modified_ms}

    async def fs_exists(self, a):
        return await (await self.fs(a)).exists(a["path"])

    async def fs_mkdir(self, a):
        await (await self.fs(a)).mkdir(a["path"])

    async def fs_remove(self, a):
        await (await self.fs(a)).remove(a["path"])

    async def fs_remove_dir(self, a):
        await (await self.fs(a)).remove_dir(a["path"])

    async def fs_copy(self, a):
        await (await self.fs(a)).copy(a["from"], a["to"])

    async def fs_rename(self, a):
        await (await self.fs(a)).rename(a["from"], a["to"])

    async def fs_symlink(self, a):
        await (await self.fs(a)).symlink(a["target"], a["path"])

    async def fs_read_link(self, a):
        return await (await self.fs(a)).read_link(a["path"])

    async def fs_real_path(self, a):
        return await (await self.fs(a)).real_path(a["path"])

    async def fs_set_mode(self, a):
        await (await self.fs(a)).set_stat(a["path"], mode=a["mode"])

    async def fs_read_stream(self, a):
        size = total = 0
        async with await (await self.fs(a)).read_stream(a["path"]) as stream:
            async for piece in stream:
                size += len(piece)
                total += sum(piece)
        return {"size": size, "sum": total}

    async def fs_write_stream(self, a):
        size, chunk, done = a["size"], a["chunk"], 0
        pattern = bytes(range(251)) * (chunk // 251 + 2)
        async with await (await self.fs(a)).write_stream(a["path"]) as sink:
            while done < size:
                n = min(chunk, size - done)
                await sink.write(pattern[done % 251:done % 251 + n])
                done += n

    async def fs_copy_from_host(self, a):
        await get(a["sandbox"]).fs.copy_from_host(a["host"], a["guest"])

    async def fs_copy_to_host(self, a):
        await get(a["sandbox"]).fs.copy_to_host(a["guest"], a["host"])

    # logs and metrics

    async def logs(self, a):
        found = await (await sandbox(a)).read_logs(
            tail=a.get("tail"), since_ms=a.get("since_ms"), until_ms=a.get("until_ms"),
            sources=a.get("sources"))
        return [log_entry(e) for e in found]

    async def log_open(self, a):
        stream = await (await sandbox(a)).log_stream(
            sources=a.get("sources"), since_ms=a.get("since_ms"), until_ms=a.get("until_ms"),
            from_cursor=a.get("cursor"), follow=bool(a.get("follow")))
        await keep(a, stream)

    async def log_next(self, a):
        return log_entry(await get(a["log"]).recv())

    async def metrics(self, a):
        return metrics(await (await sandbox(a)).metrics())

    async def metrics_all(self, a):
        return {name: metrics(s) for name, s in (await m.all_sandbox_metrics()).items()}

    async def metrics_stream(self, a):
        found = []
        async for sample in (await sandbox(a)).metrics_stream(a["interval_ms"] / 1000):
            found.append(metrics(sample))
            if len(found) == a["count"]:
                break
        return found

    # volumes, images, snapshots

    async def volume_create(self, a):
        return volume(await m.Volume.create(
            a["name"], quota_mib=a.get("quota_mib"), labels=a.get("labels")))

    async def volume_get(self, a):
        return volume(await m.Volume.get(a["name"]))

    async def volume_list(self, a):
        return [volume(v) for v in await m.Volume.list()]

    async def volume_remove(self, a):
        await m.Volume.remove(a["name"])

    async def image_pull(self, a):
        events = []
        cached = await m.Image.pull(a["reference"], policy=a.get("policy"),
                                    force=bool(a.get("force")), on_progress=events.append)
        return {"cached": cached, "events": kinds(events)}

    async def image_list(self, a):
        return [image(i) for i in await m.Image.list()]

    async def image_get(self, a):
        return image(await m.Image.get(a["reference"]))

    async def image_inspect(self, a):
        d = await m.Image.inspect(a["reference"])
        return {"reference": d.handle.reference, "digest": d.handle.manifest_digest,
                "config": d.config,
                "layers": [{"diff_id": layer.diff_id, "digest": layer.blob_digest,
                            "size_bytes": layer.compressed_size_bytes} for layer in d.layers]}

    async def image_remove(self, a):
        await m.Image.remove(a["reference"], force=bool(a.get("force")))

    async def image_prune(self, a):
        await m.Image.prune()

    async def snapshot_create(self, a):
        return snapshot(await m.Snapshot.create(
            a["source"], name=a.get("name"), path=a.get("path"), labels=a.get("labels"),
            force=bool(a.get("force")), record_integrity=bool(a.get("integrity"))))

    async def snapshot_get(self, a):
        return snapshot(await m.Snapshot.get(a["ref"]))

    async def snapshot_list(self, a):
        return [snapshot(s) for s in await m.Snapshot.list()]

    async def snapshot_list_dir(self, a):
        return [snapshot(s) for s in await m.Snapshot.list_dir(a["dir"])]

    async def snapshot_verify(self, a):
        return (await (await m.Snapshot.get(a["ref"])).verify())["upper"]["kind"]

    async def snapshot_remove(self, a):
        await m.Snapshot.remove(a["ref"], force=bool(a.get("force")))

    async def snapshot_reindex(self, a):
        return await m.Snapshot.reindex(a.get("dir"))

    async def snapshot_export(self, a):
        await m.Snapshot.export(a["ref"], a["path"], with_parents=bool(a.get("parents")),
                                plain_tar=bool(a.get("plain")))

    async def snapshot_import(self, a):
        return snapshot(await m.Snapshot.import_(a["path"], dest=a.get("dest")))

    # agent client

    async def agent_connect(self, a):
        if a.get("path") is not None:
            client = await m.AgentClient.connect(a["path"], timeout=seconds(a))
        else:
            client = await m.AgentClient.connect_sandbox(a["name"], timeout=seconds(a))
        await keep(a, client)
        first, end = client.id_range
        return {"first": first, "end": end}

    async def agent_ready(self, a):
        return from_bytes(get(a["agent"]).ready())

    async def agent_request(self, a):
        return frame(await get(a["agent"]).request(
            {"flags": a["flags"], "body": to_bytes(a["body"])}, timeout=seconds(a)))

    async def agent_stream(self, a):
        stream = await get(a["agent"]).stream(a["flags"], to_bytes(a["body"]))
        await keep(a, stream)
        return {"id": stream.id}

    async def agent_next(self, a):
        return frame(await get(a["stream"]).next())

    async def agent_send(self, a):
        await get(a["agent"]).send(a["id"], a["flags"], to_bytes(a["body"]))

    async def agent_close(self, a):
        await get(a["agent"]).close()


def error(kind, message, number=0, details=None):
    return {"error": {"kind": kind, "message": message, "errno": number, "details": details or {}}}


async def answer(op, args):
    method = getattr(Ops, op, None)
    if method is None:
        return error("driver", f"no operation {op!r}")
    try:
        return {"ok": await method(Ops(), args)}
    except asyncio.CancelledError:
        return error("cancelled", "cancelled")
    except m.MicrosandboxError as e:
        return error(e.kind, e.message, e.errno, e.details)
    except Unknown as e:
        return error("driver", str(e))
    except (TypeError, ValueError, RuntimeError) as e:
        return error("type", str(e))


async def serve(request):
    reply = await answer(request["op"], request.get("args", {}))
    requests.pop(request["id"], None)
    print(json.dumps({"id": request["id"], **reply}), flush=True)


async def main():
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=1 << 30)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        request = json.loads(line)
        task = asyncio.ensure_future(serve(request))
        requests[request["id"]] = task
        if not request.get("background"):
            await task
    for name in list(objects):
        await drop(name)


if __name__ == "__main__":
    asyncio.run(main())
