# SPDX-License-Identifier: Apache-2.0
"""The machine is what it is meant to be: its CPU has SVM, and its KVM runs guests."""
import os
import pathlib
import subprocess

BUILD = pathlib.Path(os.environ["MSB_BUILD"])


def test_cpu_and_modules():
    assert " svm " in pathlib.Path("/proc/cpuinfo").read_text()
    assert pathlib.Path("/sys/module/kvm_amd/parameters/npt").read_text().strip() in "Y1"


def test_kvm_runs_a_guest():
    p = subprocess.run([BUILD / "tests/kvm/kvm-probe"], capture_output=True, text=True, timeout=120)
    assert (p.returncode, p.stdout) == (0, "sum=500500\n"), p.stderr


def test_temporary_files_can_have_user_attributes(tmp_path):
    os.setxattr(tmp_path, "user.test", b"value")
    assert os.getxattr(tmp_path, "user.test") == b"value"
