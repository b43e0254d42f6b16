# SPDX-License-Identifier: Apache-2.0
"""config.json: directories elsewhere, and what is said about mistakes."""
import json
import shutil
import subprocess

import pytest

from conftest import BUILD, ENGINE, MSB


def settings(msb, **sections):
    msb.home.mkdir(mode=0o700, exist_ok=True)
    sections.setdefault("sandbox_defaults", {}).setdefault("engine", ENGINE)
    (msb.home / "config.json").write_text(json.dumps(sections))


def test_directories_elsewhere(msb):
    places = {name: str(msb.base / "elsewhere" / name)
              for name in ("cache", "sandboxes", "volumes", "snapshots", "secrets")}
    settings(msb, paths=places)
    elsewhere = msb.base / "elsewhere"
    msb.ok("create", "-q", "-n", "box", "--mount-named", "data:/data", "busybox")
    msb.ok("exec", "box", "--", "sh", "-c", "echo 1 > /data/file; echo 2 > /kept")
    msb.ok("stop", "-q", "box")
    assert (elsewhere / "volumes/data/file").read_text() == "1\n"
    assert (elsewhere / "sandboxes/box/upper.ext4").exists()
    assert list((elsewhere / "cache").rglob("*.erofs"))
    msb.ok("snapshot", "create", "-q", "kept", "--from", "box")
    assert (elsewhere / "snapshots/kept/snapshot.json").exists()
    assert msb.ok("snapshot", "reindex").strip().endswith(places["snapshots"])
    assert msb.ok("run", "--from-snapshot", "kept", "--", "cat", "/kept") == "2\n"
    msb.ok("registry", "login", "localhost:5000", "-u", "me", "--password-stdin", input="secret")
    secret = elsewhere / "secrets/registries/localhost:5000"
    assert secret.read_text() == "secret" and secret.stat().st_mode & 0o777 == 0o600
    assert json.loads((msb.home / "config.json").read_text())["paths"] == places
    msb.ok("registry", "logout", "localhost:5000")
    assert not secret.exists()
    msb.ok("start", "-q", "box")
    assert msb.ok("exec", "box", "--", "cat", "/data/file", "/kept") == "1\n2\n"
    msb.ok("rm", "-f", "-q", "box")
    assert {p.name for p in msb.home.iterdir()} <= {"config.json", "db", "run", "secrets"}
    assert [p.name for p in (msb.home / "secrets/registries").iterdir()] == [".lock"]


def test_a_copy_of_the_program_uses_the_installation_that_is_named(msb):
    copy = msb.base / "msb"
    shutil.copy(MSB, copy)
    settings(msb, paths={"msb": str(MSB)})
    p = subprocess.run([copy, "run", "./rootfs", "--", "echo", "hi"], capture_output=True,
                       text=True, cwd=msb.base, env=msb.env(LD_LIBRARY_PATH=str(BUILD)))
    assert (p.returncode, p.stdout) == (0, "hi\n"), p.stderr
    settings(msb, paths={"msb": "/nonexistent/msb"})
    p = msb("run", "./rootfs", "--", "true")
    assert p.returncode == 125 and "/nonexistent/msb" in p.stderr


@pytest.mark.parametrize("text, want", [
    ('{"sandbox_default": {}}', "did you mean 'sandbox_defaults'?"),
    ('{"paths": {"volume": "/x"}}', "did you mean 'paths.volumes'?"),
    ('{"memory_mib": 512}', "did you mean 'sandbox_defaults.memory_mib'?"),
    ('{"registries": {"hosts": {"a.io": {"insecur": true}}}}', "did you mean 'insecure'?"),
    ('{"database": {"url": "postgres://x"}}', "'database.url' cannot be set"),
    ('{"paths": {"cache": "/x/volumes/c", "volumes": "/x/volumes"}}',
     "the directory of cache, '/x/volumes/c', must not be in that of volumes"),
    ('{"paths": {"volumes": "HOME"}}', "must not hold the home directory"),
    ('{"paths": {"snapshots": "HOME/sandboxes/x"}}', "must not be in that of sandboxes"),
])
def test_mistakes_name_file_and_key(msb, text, want):
    msb.home.mkdir(mode=0o700)
    (msb.home / "config.json").write_text(text.replace("HOME", str(msb.home)))
    p = msb("ls")
    assert (p.returncode, p.stdout) == (1, "")
    assert p.stderr.startswith("error: invalid config: ") and want in p.stderr
    assert f"{msb.home}/config.json" in p.stderr


def test_keys_of_other_programs_that_say_nothing(msb):
    settings(msb, home=None, log_level=None, metrics=None, registries=None,
             database={"url": None, "max_connections": 5, "connect_timeout_secs": 30,
                       "busy_timeout_secs": 5},
             paths={"msb": None, "libkrunfw": None, "cache": None, "sandboxes": None,
                    "volumes": None, "snapshots": None, "logs": None, "secrets": None})
    assert msb.ok("run", "./rootfs", "--", "echo", "hi") == "hi\n"
