# SPDX-License-Identifier: Apache-2.0
"""Unit tests on this machine: those of the kvm engine, or of all that it shows more of."""
import json
import os
import pathlib
import subprocess

import pytest

HOME = pathlib.Path("/msb")
SCALE = int(os.environ.get("MSB_TEST_SCALE", "1"))


def chosen():
    tests = json.loads((HOME / "units.json").read_text())
    if os.environ.get("MSB_TEST_UNITS") == "units-short":
        return [t for t in tests if t["name"].startswith("engine_kvm_")]
    return tests


@pytest.mark.parametrize("test", [pytest.param(t, id=t["name"]) for t in chosen()])
def test_unit(test):
    # twice the time: another test runs beside it
    p = subprocess.run(test["cmd"], cwd=HOME / "build", env={**os.environ, **test["env"]},
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       text=True, errors="replace", timeout=2 * SCALE * test["timeout"])
    if p.returncode == 77:
        pytest.skip(p.stdout.strip().splitlines()[-1] if p.stdout.strip() else "no reason given")
    assert p.returncode == 0, p.stdout[-8000:]
