# SPDX-License-Identifier: Apache-2.0
"""The tests of the package for Node.js, and its example."""
import os
import re
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


def test_types():
    """A program in TypeScript, right and wrong, against the declarations."""
    if not shutil.which("tsc"):
        pytest.skip("there is no tsc")
    run("tsc", "--noEmit", "--strict", "--target", "es2022", "--module", "esnext", "--moduleResolution", "node",
        "--lib", "es2022,dom", NODE / "test/types.ts", NODE / "test/buffer.d.ts", env=dict(os.environ))


def test_declarations_are_complete():
    """What the package exports is what its declarations export."""
    program = f'import * as m from "file://{PACKAGE}/index.js"; console.log(Object.keys(m).sort().join("\\n"))'
    exported = run("node", "--input-type=module", "-e", program, env=dict(os.environ)).split()
    text = (NODE / "index.d.ts").read_text()
    declared = re.findall(r"^export declare (?:class|const|function) (\w+)", text, re.M)
    assert sorted(set(declared)) == exported
