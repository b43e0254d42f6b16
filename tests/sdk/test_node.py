# SPDX-License-Identifier: Apache-2.0
"""The tests of the package for Node.js, and its archive in a fresh project without a network."""
import os
import shutil
import subprocess

import conftest
import pytest

NODE = conftest.ROOT / "sdk/node"
PACKAGE = conftest.BUILD / "sdk/node"
pytestmark = pytest.mark.skipif("node" not in conftest.LANGUAGES, reason="not asked for")


def environment(home, **more):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MSB_")}
    return {**clean, "MSB_HOME": str(home.path), **more}


def run(*argv, env, cwd=None):
    p = subprocess.run([str(a) for a in argv], env=env, cwd=cwd, stdin=subprocess.DEVNULL,
                       capture_output=True, text=True, timeout=4 * conftest.DEADLINE)
    assert p.returncode == 0, f"{argv}: {p.returncode}\n{p.stdout[-8000:]}\n{p.stderr[-4000:]}"
    return p.stdout


@pytest.mark.parametrize("name", ["exec", "sandbox", "leak"])
def test_package(home, name):
    run("node", "--expose-gc", NODE / f"test/{name}.test.mjs",
        env=environment(home, MSB_NODE_PACKAGE=str(PACKAGE)))


@pytest.mark.parametrize("path", sorted((NODE / "examples").glob("*.mjs")), ids=lambda p: p.stem)
def test_example(home, tmp_path, path):
    """As a project would have it: the package is found by its name."""
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules/microsandbox").symlink_to(PACKAGE)
    shutil.copy(path, tmp_path / path.name)
    expected = path.with_suffix(".out").read_text()
    assert run("node", tmp_path / path.name, env=environment(home)) == expected


def test_archive(home, tmp_path):
    """Installed offline into a fresh project, it uses nothing of the build directory."""
    if not shutil.which("npm"):
        pytest.skip("there is no npm")
    archives = sorted((conftest.BUILD / "sdk").glob("microsandbox-*.tgz"))
    assert archives, "scripts/build-sdk.py makes it"
    env = environment(home, npm_config_cache=str(tmp_path / "cache"), HOME=str(tmp_path))
    project = tmp_path / "project"
    project.mkdir()
    (project / "package.json").write_text('{"name": "fresh", "version": "1.0.0"}\n')
    run("npm", "install", "--offline", "--no-audit", "--no-fund", archives[-1], env=env, cwd=project)
    (project / "main.mjs").write_text(
        'import { Sandbox } from "microsandbox";\n'
        'const sb = await Sandbox.builder("fresh").image("busybox").create();\n'
        'console.log((await sb.exec("echo", ["hello"])).stdout());\n'
        'console.log(sb.agentSocket().includes("fresh"));\n'
        'await sb.close();\n'
        'await Sandbox.remove("fresh");\n')
    assert run("node", "main.mjs", env=env, cwd=project) == "hello\n\ntrue\n"
    assert run(project / "node_modules/.bin/msb", "--version", env=env).startswith("msb ")
