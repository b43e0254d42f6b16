# SPDX-License-Identifier: Apache-2.0
"""The Go package: what its compiler says of it, its own tests against real sandboxes, its example."""
import os
import subprocess

import conftest
import pytest
from conftest import BUILD, DEADLINE, ROOT

pytestmark = pytest.mark.skipif("go" not in conftest.LANGUAGES, reason="Go is not asked for")


@pytest.fixture(scope="module")
def go(tmp_path_factory):
    """Runs its compiler in the folder of the package; what is compiled is kept for the next test."""
    tmp = tmp_path_factory.mktemp("go")

    def run(*argv, **env):
        p = subprocess.run(
            ["/usr/bin/go", *argv], cwd=ROOT / "sdk/go", capture_output=True, text=True, timeout=DEADLINE * 5,
            env={**{k: v for k, v in os.environ.items() if not k.startswith("MSB_")}, "HOME": str(tmp),
                 "GOFLAGS": "-mod=mod -buildvcs=false", "GOPROXY": "off", "GOCACHE": str(tmp / "cache"),
                 "GOPATH": str(tmp / "path"), "PKG_CONFIG_PATH": f"{BUILD}/meson-uninstalled",
                 "CGO_LDFLAGS": f"-Wl,-rpath,{BUILD}", **env})
        assert p.returncode == 0, p.stdout + p.stderr
        return p.stdout
    return run


def test_vet_and_its_own_tests(go, home):
    go("vet", "./...")
    assert "ok" in go("test", "-count=1", ".", MSB_TEST_HOME=str(home.path))
    assert home.names() == []


def test_example(go, home):
    out = go("run", "./examples/quickstart", MSB_HOME=str(home.path))
    assert out.splitlines() == [
        "exit code 0: hello from Linux", "0", "1", "2", "3", "sort ended with 0",
        'first logged to stdout: "hello from Linux\\n"', "uses memory: true"]
    assert home.names() == []


def test_reference_is_current(go):
    assert go("run", "./internal/reference") == (ROOT / "docs/sdk-go.md").read_text(), \
        "in sdk/go: go run ./internal/reference >../../docs/sdk-go.md"
