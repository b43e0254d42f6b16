# SPDX-License-Identifier: Apache-2.0
"""The examples of the C interface, compiled as their readers do it, and run."""
import os
import subprocess

import conftest
import pytest
from conftest import BUILD, DEADLINE, ROOT

ENDS = {
    "hello": "hello from a sandbox\nexit code 0\n",
    "stream": "it runs\ngot one\ngot two\ngot three\nexit code 0\n",
    "files": "note 20 640\nwritten by the host\npath_not_found\n",
    "logs": "out: first\non from there\nerr: second\nout: third\n",
    "loop": "4: done\n4: exit code 4\n3: done\n3: exit code 3\n2: done\n2: exit code 2\n"
            "1: done\n1: exit code 1\n0: done\n0: exit code 0\n",
}


def flags():
    env = {**os.environ, "PKG_CONFIG_PATH": str(BUILD / "meson-uninstalled")}
    return subprocess.run(["pkg-config", "--cflags", "--libs", "microsandbox-uninstalled"], env=env, check=True,
                          capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize("name", ENDS)
@pytest.mark.parametrize("compiler", [["gcc", "-std=c99", "-D_POSIX_C_SOURCE=200809L"], ["gcc", "-std=gnu17"]],
                         ids=["c99", "gnu17"])
def test_example(home, name, compiler):
    program = home.base / name
    subprocess.run([*compiler, "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-o", program,
                    ROOT / f"examples/{name}.c", *flags(), f"-Wl,-rpath,{BUILD}"], check=True)
    p = subprocess.run([program], env={"MSB_HOME": str(home.path)}, stdin=subprocess.DEVNULL, capture_output=True,
                       text=True, timeout=DEADLINE)
    assert (p.returncode, p.stderr) == (0, "")
    assert p.stdout == ENDS[name]
    conftest.wait_for(lambda: not home.names(), "its sandbox to be gone")


def test_every_example_is_run():
    assert {p.stem for p in (ROOT / "examples").glob("*.c")} == set(ENDS)
