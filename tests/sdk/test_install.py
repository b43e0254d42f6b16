# SPDX-License-Identifier: Apache-2.0
"""The packages, used as others use them: from a fresh place, without a network, without this tree."""
import os
import pathlib
import shutil
import subprocess

import conftest
import pytest
from conftest import BUILD, DEADLINE, ROOT

SDK = BUILD / "sdk"
PYTHON = """
import asyncio, sys
import microsandbox
from microsandbox import Sandbox, SandboxNotFoundError

async def main():
    async with await Sandbox.create("installed", image="busybox", memory=128) as sandbox:
        out = await sandbox.exec("echo", ["from python"], timeout=30.0)
        print(out.stdout_text, end="")
    try:
        await Sandbox.get("none")
    except SandboxNotFoundError as e:
        print(e.kind)
    maps = open("/proc/self/maps").read()
    print({line.split()[-1].startswith(sys.prefix) for line in maps.splitlines() if "microsandbox" in line})

asyncio.run(main())
"""
NODE = """
import fs from "node:fs";
import { Sandbox, SandboxNotFoundError } from "microsandbox";

const sandbox = await Sandbox.builder("installed").image("busybox").memory(128).create();
const out = await sandbox.exec("echo", ["from node"]);
process.stdout.write(out.stdout());
await sandbox.stopAndWait();
try {
  await Sandbox.get("none");
} catch (e) {
  console.log(e instanceof SandboxNotFoundError, e.kind ?? e.code);
}
const maps = fs.readFileSync("/proc/self/maps", "utf8").split("\\n").filter((l) => l.includes("libmicrosandbox"));
console.log(maps.every((l) => l.includes(process.cwd())));
"""
GO = """package main

import (
	"context"
	"fmt"
	"os"

	microsandbox "github.com/superradcompany/microsandbox/sdk/go"
)

func main() {
	ctx := context.Background()
	sandbox, err := microsandbox.CreateSandbox(ctx, "installed", microsandbox.WithImage("busybox"),
		microsandbox.WithMemory(128))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer sandbox.Close()
	out, err := sandbox.Exec(ctx, "echo", []string{"from go"})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Print(out.Stdout())
	_, err = microsandbox.GetSandbox(ctx, "none")
	fmt.Println(microsandbox.IsKind(err, microsandbox.ErrSandboxNotFound))
}
"""
RUST = """
use microsandbox::Sandbox;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sandbox = Sandbox::builder("installed").image("busybox").memory(128).create()?;
    let out = sandbox.exec("echo", ["from rust"])?;
    print!("{}", out.stdout()?);
    drop(sandbox);
    match Sandbox::get("none") {
        Err(e) => println!("{}", e.kind()),
        Ok(_) => println!("there"),
    }
    Ok(())
}
"""


@pytest.fixture
def place(home):
    """A directory, and an environment that knows nothing of this tree but how to find compilers."""
    where = home.base / "place"
    where.mkdir()
    env = {"HOME": str(where), "MSB_HOME": str(home.path), "PATH": "/usr/local/bin:/usr/bin:/bin",
           "LANG": "C.UTF-8", "TMPDIR": str(where),
           "npm_config_offline": "true", "npm_config_update_notifier": "false"}  # nobody is asked anything
    (home.path / "config.json").write_text('{"sandbox_defaults": {"engine": "%s"}}' % conftest.func.ENGINE)
    yield where, env


def run(argv, where, env, **kw):
    p = subprocess.run([str(a) for a in argv], cwd=where, env=env, stdin=subprocess.DEVNULL, capture_output=True,
                       text=True, timeout=DEADLINE * 3, **kw)
    assert p.returncode == 0, f"{argv}: {p.returncode}\n{p.stdout}\n{p.stderr}"
    return p.stdout


def one(pattern):
    found = sorted(SDK.glob(pattern))
    assert len(found) == 1, f"{pattern} in {SDK}: {found}"
    return found[0]


def test_wheel_in_a_fresh_environment(place):
    where, env = place
    run(["/usr/bin/python3", "-m", "venv", "env"], where, env)
    pip = [where / "env/bin/python3", "-m", "pip", "--disable-pip-version-check", "--no-cache-dir"]
    run([*pip, "install", "-q", "--no-index", one("microsandbox-*.whl")], where, env)
    (where / "program.py").write_text(PYTHON)
    out = run([where / "env/bin/python3", "program.py"], where, env)
    assert out == "from python\nsandbox_not_found\n{True}\n"
    assert run([where / "env/bin/msb", "run", "-q", "busybox", "--", "echo", "hi"], where, env) == "hi\n"
    run([where / "env/bin/python3", "-c", "import microsandbox, pathlib; "
         "assert (pathlib.Path(microsandbox.__file__).parent / 'py.typed').exists()"], where, env)
    run([*pip, "uninstall", "-q", "-y", "microsandbox"], where, env)
    left = [p for p in (where / "env/lib").rglob("*microsandbox*") if "__pycache__" not in p.parts]
    assert left == []


def test_npm_package_in_a_fresh_project(place):
    where, env = place
    project = where / "project"
    project.mkdir()
    run(["npm", "init", "-y"], project, env)
    run(["npm", "install", "--offline", "--no-audit", "--no-fund", one("microsandbox-*.tgz")], project, env)
    (project / "program.mjs").write_text(NODE)
    out = run(["node", "program.mjs"], project, env)
    assert out == "from node\ntrue sandbox_not_found\ntrue\n"
    assert run(["npm", "exec", "--offline", "--", "msb", "run", "-q", "busybox", "--", "echo", "hi"],
               project, env) == "hi\n"
    run(["npm", "uninstall", "--offline", "--no-audit", "--no-fund", "microsandbox"], project, env)
    assert not (project / "node_modules/microsandbox").exists()


def installed(where, env):
    """msb installed as make install does it, and what pkg-config needs to find it there."""
    prefix = where / "prefix"
    lib = prefix / "lib"
    (lib / "pkgconfig").mkdir(parents=True)
    shutil.copytree(ROOT / "include", prefix / "include")
    for name in ("libmicrosandbox.so", "libmicrosandbox.so.0"):
        (lib / name).symlink_to(BUILD / "libmicrosandbox.so.0")
    (lib / "pkgconfig/microsandbox.pc").write_text(
        f"prefix={prefix}\nName: microsandbox\nDescription: sandboxes\nVersion: 0\n"
        f"Libs: -L{lib} -lmicrosandbox\nCflags: -I{prefix}/include\n")
    return {**env, "PKG_CONFIG_PATH": str(lib / "pkgconfig"), "LD_LIBRARY_PATH": str(lib)}


def test_go_module_from_its_folder(place):
    where, env = place
    env = {**installed(where, env), "GOPROXY": "off", "GOFLAGS": "-mod=mod", "GOCACHE": str(where / "cache"),
           "GOPATH": str(where / "go")}
    shutil.copytree(ROOT / "sdk/go", where / "module")
    program = where / "program"
    program.mkdir()
    (program / "go.mod").write_text(
        "module example.com/program\n\ngo 1.19\n\n"
        "require github.com/superradcompany/microsandbox/sdk/go v0.0.0\n\n"
        "replace github.com/superradcompany/microsandbox/sdk/go => ../module\n")
    (program / "main.go").write_text(GO)
    run(["/usr/bin/go", "build", "-o", "program", "."], program, env)
    assert run([program / "program"], program, env) == "from go\ntrue\n"


def test_rust_crate_from_its_folder(place):
    where, env = place
    env = {**installed(where, env), "CARGO_HOME": str(where / "cargo"), "RUSTC": "/usr/bin/rustc"}
    shutil.copytree(ROOT / "sdk/rust", where / "crate", ignore=shutil.ignore_patterns("target"))
    program = where / "program"
    (program / "src").mkdir(parents=True)
    (program / "Cargo.toml").write_text(
        '[package]\nname = "program"\nversion = "0.1.0"\nedition = "2021"\n\n'
        '[dependencies]\nmicrosandbox = { path = "../crate" }\n')
    (program / "src/main.rs").write_text(RUST)
    run(["/usr/bin/cargo", "build", "--offline", "--quiet"], program, env)
    assert run([program / "target/debug/program"], program, env) == "from rust\nsandbox_not_found\n"


def test_packages_hold_nothing_of_this_machine():
    """No path of the tree that they were built from is in what others get."""
    if os.environ.get("MSB_SANITIZED"):
        pytest.skip("built for this machine alone")
    for name, unpack in (("microsandbox-*.whl", ["unzip", "-p"]), ("microsandbox-*.tgz", ["tar", "-xzOf"])):
        text = subprocess.run([*unpack, one(name)], check=True, stdout=subprocess.PIPE).stdout
        assert str(pathlib.Path(ROOT)).encode() not in text, name
