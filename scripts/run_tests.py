#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run every suite, or those named on the command line, and count the results.

Suites: kernel style unit root user net images package sdk arm64 vhost kvm asan tsan, and kvm-full only when named. The
last line printed is
'N passed, N failed, N skipped'.
"""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree

ROOT = pathlib.Path(__file__).resolve().parent.parent
PYTHON = "/usr/bin/python3"
FEW = 5  # failures that may be chance: these tests are run again, alone
SUPPRESS = ["missingIncludeSystem", "missingInclude", "unmatchedSuppression", "checkersReport",
            "normalCheckLevelMaxBranches", "unusedStructMember", "constParameterCallback",
            "constParameterPointer", "memleak", "constVariablePointer", "variableScope", "unreadVariable"]


class Results:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []
        self.unsteady = []
        self.skips = {}

    def one(self, name, ok, output=""):
        if ok:
            self.passed += 1
        else:
            self.failed += 1
            self.failures.append(name)
            print(f"FAILED {name}\n{output[-4000:]}", flush=True)

    def junit(self, suite, path, repeated=()):
        """Count a JUnit report; a missing or empty one is a failure.

        repeated are the names of tests that passed when they were run alone.
        """
        cases = 0
        try:
            for case in ElementTree.parse(path).getroot().iter("testcase"):
                cases += 1
                name = f"{suite}: {case.get('classname') or ''} {case.get('name')}"
                skip = case.find("skipped")
                if skip is not None:
                    self.skipped += 1
                    why = skip.get("message") or "no reason given"
                    self.skips.setdefault(why, []).append(name)
                elif broken(case) and case_name(case) in repeated:
                    self.passed += 1
                    self.unsteady.append(name)
                elif broken(case):
                    self.failed += 1
                    self.failures.append(name)
                else:
                    self.passed += 1
        except (OSError, ElementTree.ParseError) as e:
            self.one(f"{suite}: report", False, str(e))
            return
        if not cases:
            self.one(f"{suite}: ran no test", False)


def broken(case):
    return case.find("failure") is not None or case.find("error") is not None


def case_name(case):
    return case.get("classname"), case.get("name")


def broken_cases(report):
    """Names of the tests that failed in a JUnit report; none when it cannot be read."""
    try:
        return [case_name(c) for c in ElementTree.parse(report).getroot().iter("testcase") if broken(c)]
    except (OSError, ElementTree.ParseError):
        return []


def run(cmd, **kw):
    return subprocess.run([str(c) for c in cmd], cwd=ROOT, **kw)


def quiet(cmd):
    p = run(cmd, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return p.returncode == 0, p.stdout


def c_files(*under):
    out = run(["git", "ls-files", "-co", "--exclude-standard", "*.c", "*.h"],
              stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    return [f for f in out if f.startswith(under) and (ROOT / f).exists()]


def build(directory, *options):
    if not (ROOT / directory / "build.ninja").exists():
        ok, out = quiet(["meson", "setup", directory, "-Dwerror=true", *options])
        if not ok:
            return ok, out
    return quiet(["ninja", "-C", directory])


def suite_style(res):
    for name in ("arrows", "style"):
        res.one(f"style: {name}", *quiet([PYTHON, f"scripts/check_{name}.py"]))
    res.one("style: reference of the C interface", *quiet([PYTHON, "scripts/api-docs.py", "--check"]))
    res.one("style: public headers", *quiet([PYTHON, "scripts/check_headers.py"]))
    files = c_files("src/", "include/", "tests/", "packaging/", "sdk/", "examples/")
    res.one("style: clang-format", *quiet(["clang-format", "--dry-run", "-Werror", *files]))
    scripts = run(["git", "ls-files", "*.sh", "*.bash", ".ci/run"], stdout=subprocess.PIPE, text=True,
                  check=True).stdout.split()
    res.one("style: shellcheck", *quiet(["shellcheck", *scripts]))
    res.one("style: codespell", *quiet(["codespell", "-q3", "-L", "passt,nd,nin,crate,ans,fo,inout,ot,te",
                                        "README.md", "docs", "src", "include", "scripts", "packaging", "sdk",
                                        "examples"]))
    res.one("style: reference of the Python package", *quiet([PYTHON, "sdk/python/reference.py", "--check"]))
    res.one("style: types of the Python package", *quiet(
        ["mypy", "--config-file=sdk/python/pyproject.toml", "--cache-dir=/dev/null", "sdk/python/microsandbox"]))
    ok, out = quiet(["/usr/bin/gofmt", "-l", "sdk", "tests/sdk"])
    res.one("style: gofmt", ok and not out, out)
    sources = [f for f in c_files("src/") if f.endswith(".c")]
    res.one("style: cppcheck", *quiet(
        ["cppcheck", "--enable=warning,performance,portability", "--inline-suppr", "--quiet",
         "--error-exitcode=1", "-j2", "-Isrc", "-Iinclude", "-D_GNU_SOURCE", "-D__x86_64__=1", "--std=c11",
         *[f"--suppress={s}" for s in SUPPRESS], *sources]))
    ok, out = build("build-test")
    if ok:
        res.one("style: symbols", *quiet([PYTHON, "scripts/check_symbols.py", "build-test"]))
        res.one("style: binary interface", *quiet([PYTHON, "scripts/abi.py", "build-test"]))
        ok, out = clang_tidy(sources)
    res.one("style: clang-tidy", ok, out)


def clang_tidy(sources):
    jobs = subprocess.run(["xargs", "-P2", "-n4", "clang-tidy", "--quiet", "-p", "build-test",
                           "--extra-arg=-enable-trivial-auto-var-init-zero-knowing-it-will-be-"
                           "removed-from-clang"],
                          input="\n".join(sources), cwd=ROOT, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    return jobs.returncode == 0, "\n".join(
        line for line in jobs.stdout.splitlines() if "warnings generated" not in line)


def meson_tests(res, directory, name):
    """Run the unit tests; a few that fail are run again, alone, as in pytest()."""
    report = ROOT / directory / "meson-logs/testlog.junit.xml"
    before = res.failed
    cmd = ["meson", "test", "-C", directory, "--no-rebuild", "--print-errorlogs", "-q",
           "--timeout-multiplier", "5"]  # of machines that are busy with other things
    p = run(cmd)
    again = []
    if p.returncode:
        first = report.with_name("first.junit.xml")
        shutil.copy(report, first)
        failed = broken_cases(report)
        if 1 <= len(failed) <= FEW:
            print(f"{len(failed)} failed: once more, alone", flush=True)
            second = run([*cmd, "--num-processes", "1", *[n.rpartition(" / ")[2] for _, n in failed]])
            still = broken_cases(report) or (failed if second.returncode else [])
            again = [n for n in failed if n not in still]
        report = first
    res.junit(name, report, again)
    if p.returncode and res.failed == before and not again:  # a timeout is no failure in its report
        res.one(f"{name}: meson test", False, f"exit code {p.returncode}")


def suite_unit(res):
    ok, out = build("build-test")
    res.one("unit: build with warnings as errors", ok, out)
    if ok:
        meson_tests(res, "build-test", "unit")


def pytest(res, name, where, directory, prefix=(), env=None, jobs="2", select=(), dist="load"):
    """Run the tests below where; a few that fail are run again, alone.

    Machines that share a processor with strangers are late in ways no test foresees. One that
    passes alone counts as passed and is named as unsteady at the end; one that fails twice failed.
    """
    with tempfile.TemporaryDirectory(prefix="msb-report-") as tmp:
        os.chmod(tmp, 0o777)
        report = pathlib.Path(tmp) / "report.xml"
        before = res.failed
        cmd = [*prefix, PYTHON, "-m", "pytest", "-q", "-o", f"cache_dir={tmp}/cache", where, *select]
        kw = {"env": {**os.environ, "MSB_BUILD": str(ROOT / directory),
                      "PYTHONDONTWRITEBYTECODE": "1", **(env or {})}, "stdin": subprocess.DEVNULL}
        p = run([*cmd, "-n", jobs, f"--dist={dist}", f"--junitxml={report}"], **kw)
        code = p.returncode
        again = passed_alone(cmd, report, kw) if code == 1 else ()
        res.junit(name, report, again)
        if code and res.failed == before and not again:
            res.one(f"{name}: pytest", False, f"exit code {code}")


def passed_alone(cmd, report, kw):
    """Names of the tests that failed in report and pass now."""
    failed = broken_cases(report)
    if not 1 <= len(failed) <= FEW:
        return ()
    print(f"{len(failed)} failed: once more, alone", flush=True)
    second = report.with_name("again.xml")
    run([*cmd, "--last-failed", f"--junitxml={second}"], **kw)
    try:
        cases = list(ElementTree.parse(second).getroot().iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return ()
    return [n for n in (case_name(c) for c in cases if not broken(c)) if n in failed]


def ordinary_user():
    """Prefix that runs a command as a user without any privilege."""
    return ["setpriv", "--reuid=65533", "--regid=65533", "--clear-groups", "--inh-caps=-all",
            "env", "HOME=/nonexistent", "USER=ordinary"]


def func_suite(res, name, directory, as_user, **kw):
    ok, out = build(directory)
    if not ok:
        res.one(f"{name}: build", False, out)
        return
    pytest(res, name, "tests/func", directory, prefix=ordinary_user() if as_user else (), **kw)


def suite_root(res):
    if os.geteuid() != 0:
        res.skipped += 1
        res.skips["not started as root"] = ["root: the functional suite"]
        return
    func_suite(res, "root", "build-test", False)


def suite_user(res):
    func_suite(res, "user", "build-test", os.geteuid() == 0)


def suite_net(res):
    """The network, in namespaces that the tests make; as root and as an ordinary user."""
    ok, out = build("build-test")
    if not ok:
        res.one("net: build", False, out)
        return
    pytest(res, "net", "tests/net", "build-test")
    if os.geteuid() == 0:
        pytest(res, "net user", "tests/net", "build-test", prefix=ordinary_user())


def suite_images(res):
    """Images from registries and archives; as root, because umoci, the yardstick, needs it."""
    ok, out = build("build-test")
    if not ok:
        res.one("images: build", False, out)
        return
    pytest(res, "images", "tests/images", "build-test")


def says_nothing(report):
    """No finding: the search for leaks met threads that were just ending. An empty report, of one process among
    thousands, is none either: whatever a sanitizer finds it writes down before it ends the process with an error."""
    lost = re.compile(r"(==\d+==Unable to get registers from thread \d+\.)?")
    return all(map(lost.fullmatch, report.read_text(errors="replace").splitlines()))


def suite_asan(res):
    """Host code under ASan and UBSan: unit tests and the functional suite."""
    ok, out = build("build-asan", "-Db_sanitize=address,undefined", "-Db_lundef=false")
    res.one("asan: build", ok, out)
    if not ok:
        return
    os.environ["UBSAN_OPTIONS"] = "halt_on_error=1:print_stacktrace=1"
    meson_tests(res, "build-asan", "asan unit")
    logs = tempfile.mkdtemp(prefix="msb-asan-")
    os.chmod(logs, 0o1777)
    options = f"log_path={logs}/report:log_exe_name=1:detect_leaks=1"
    env = {"ASAN_OPTIONS": options, "UBSAN_OPTIONS": f"{options}:halt_on_error=1",
           "MSB_SANITIZED": "1"}
    func_suite(res, "asan func", "build-asan", False,
               env=env, select=["-m", "not slow"])
    pytest(res, "asan net", "tests/net", "build-asan", env=env, select=["-m", "not slow"])
    pytest(res, "asan images", "tests/images/test_hostile.py", "build-asan", env=env,
           select=["tests/images/test_auth.py", "-m", "not slow"])
    pytest(res, "asan sdk", "tests/sdk/test_table.py", "build-asan", env={**env, "MSB_TEST_LANGUAGES": "c"})
    reports = [r for r in sorted(pathlib.Path(logs).iterdir()) if not says_nothing(r)]
    res.one("asan: no report from any process", not reports,
            "\n".join(f"{r.name}:\n{r.read_text(errors='replace')[:4000]}" for r in reports[:5]))
    shutil.rmtree(logs)


def suite_tsan(res):
    """What threads do at one home, one handle, one connection, under ThreadSanitizer. Only these programs are
    built: it slows down all else for nothing."""
    options = ["-Db_sanitize=thread", "-Db_lundef=false", "-Dc_args=-Wno-tsan"]
    if not (ROOT / "build-tsan/build.ninja").exists():
        ok, out = quiet(["meson", "setup", "build-tsan", "-Dwerror=true", *options])
        if not ok:
            res.one("tsan: build", False, out)
            return
    names = ["api_threads", "api_cancel", "api_exec_run", "api_agent"]
    ok, out = quiet(["ninja", "-C", "build-tsan", "tests/unit/api/fake-runtime", "tests/unit/api/fake-runtime-tls",
                     *[f"tests/unit/t_{n}" for n in names]])
    res.one("tsan: build", ok, out)
    for name in names if ok else []:
        res.one(f"tsan: {name}", *quiet([f"build-tsan/tests/unit/t_{name}"]))


def suite_package(res):
    """The packages, used in a fresh Debian and in an empty root; as root, which makes those."""
    if os.geteuid() != 0:
        res.skipped += 1
        res.skips["not started as root"] = ["package: all"]
        return
    ok, out = build("build-test")
    if not ok:
        res.one("package: build", False, out)
        return
    pytest(res, "package", "tests/package", "build-test", dist="loadfile")


def suite_sdk(res):
    """The library by its own interface and by those of Python, Node, Go and Rust."""
    ok, out = build("build-test")
    if ok:
        ok, out = quiet([PYTHON, "scripts/build-sdk.py", "--build", "build-test", "--drivers", "--quick"])
    res.one("sdk: build", ok, out)
    if not ok:
        return
    pytest(res, "sdk", "tests/sdk", "build-test")
    pytest(res, "sdk python", "sdk/python/tests", "build-test")
    if os.geteuid() == 0:
        pytest(res, "sdk user", "tests/sdk", "build-test", prefix=ordinary_user())
        pytest(res, "sdk python user", "sdk/python/tests", "build-test", prefix=ordinary_user())
    res.one("sdk: cargo test", *cargo_test(ROOT / "build-test"))


def cargo_test(directory):
    """What the crate tests by its own means, its documentation's examples among it."""
    with tempfile.TemporaryDirectory(prefix="msb-sdk-") as home:
        env = {**os.environ, "MSB_BUILD": str(directory), "MSB_HOME": f"{home}/home",
               "LD_LIBRARY_PATH": str(directory), "PKG_CONFIG_PATH": str(directory / "meson-uninstalled"),
               "RUSTC": "/usr/bin/rustc", "RUSTDOC": "/usr/bin/rustdoc",
               "CARGO_TARGET_DIR": str(directory / "sdk/rust-target")}
        p = subprocess.run(["/usr/bin/cargo", "test", "--offline", "--quiet"], cwd=ROOT / "sdk/rust", env=env,
                           stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                           check=False)
        return p.returncode == 0, p.stdout


def suite_vhost(res):
    ok, out = build("build-test")
    if not ok:
        res.one("vhost: build", False, out)
        return
    pytest(res, "vhost", "tests/vhost", "build-test", jobs="1")


def suite_arm64(res):
    """The guest agent for arm64, and what it does under an emulator of that CPU.

    The emulator's vfork() neither shares memory nor waits for the child's exec, so ExecFailures
    and Terminal, which are about just that, are left out.
    """
    ok, out = build("build-arm64-test", "--cross-file=scripts/aarch64-linux-gnu.ini",
                    "-Dagent_only=true")
    res.one("arm64: build the agent with warnings as errors", ok, out)
    if not ok:
        return
    agent = ROOT / "build-arm64-test/src/agent/agentd"
    with tempfile.TemporaryDirectory(prefix="msb-arm64-") as tmp:
        emulated = pathlib.Path(tmp) / "agentd"
        emulated.write_text(f"#!/bin/sh\nexec qemu-aarch64 '{agent}' \"$@\"\n")
        emulated.chmod(0o755)
        for group in ("Core", "Exec", "Environment", "Files", "Tcp", "Ends"):
            res.one(f"arm64: agent, {group}", *quiet(
                [PYTHON, "tests/unit/agent/t_serve.py", emulated, group]))


def kvm_run(which, limit, reports):
    return run([PYTHON, "tests/kvm/run.py", "--build", "build-test", "--tests", which,
                "--limit", limit, "--junit", reports], stdin=subprocess.DEVNULL,
               stdout=subprocess.PIPE if which == "short" else None, stderr=subprocess.PIPE,
               text=True, errors="replace")


def kvm_suite(res, name, which, limit):
    """Tests in a machine with emulated SVM; its reports are as many as the suite has runs.

    That machine is slow, and its emulation has its own errors: a short run that fails is told of, and
    done once more in a new machine, which counts.
    """
    with tempfile.TemporaryDirectory(prefix="msb-report-") as tmp:
        before = res.failed
        p = kvm_run(which, limit, f"{tmp}/1")
        if which == "short" and p.returncode not in (0, 77):
            print(f"{p.stdout[-20000:]}{p.stderr}\n{name}: once more, in a new machine", flush=True)
            shutil.rmtree(f"{tmp}/1", ignore_errors=True)
            p = kvm_run(which, limit, f"{tmp}/2")
        if p.returncode == 77:
            res.skipped += 1
            res.skips.setdefault(p.stderr.strip(), []).append(f"{name}: all")
            return
        if p.stderr:
            print(p.stderr, flush=True)
        for report in sorted(pathlib.Path(tmp).glob("*/*.xml")):
            failed, second = broken_cases(report), report.with_suffix(".again")
            still = broken_cases(second)
            again = [n for n in failed if n not in still] if second.exists() and len(failed) <= FEW else ()
            res.junit(name if which == "short" else f"{name} {report.stem}", report, again)
        if p.returncode and res.failed == before:
            res.one(f"{name}: machine", False, f"{p.stderr}\nexit code {p.returncode}")
        if p.returncode and p.stdout:
            print(p.stdout[-20000:], flush=True)


def suite_kvm(res):
    ok, out = build("build-test")
    if ok:
        kvm_suite(res, "kvm", "short", 900)
    else:
        res.one("kvm: build", False, out)


def suite_kvm_full(res):
    """Every functional, network, image and library test, in machines with emulated SVM."""
    ok, out = build("build-test")
    if ok:
        ok, out = quiet([PYTHON, "scripts/build-sdk.py", "--build", "build-test", "--drivers", "--quick"])
    if not ok:
        res.one("kvm-full: build", False, out)
        return
    for which in "func", "net", "images", "sdk":
        kvm_suite(res, "kvm-full", which, 7200)
    pytest(res, "kvm harness", "tests/kvm/test_harness.py", "build-test", jobs="1")


def suite_kernel(res):
    res.one("kernel: prebuilt kernels match their inputs", *quiet(["kernel/check.sh"]))


SUITES = {"kernel": suite_kernel, "style": suite_style, "unit": suite_unit, "root": suite_root,
          "user": suite_user, "net": suite_net, "images": suite_images, "package": suite_package,
          "sdk": suite_sdk, "arm64": suite_arm64, "vhost": suite_vhost,
          "kvm": suite_kvm, "asan": suite_asan, "tsan": suite_tsan, "kvm-full": suite_kvm_full}
NOT_BY_DEFAULT = {"kvm-full"}


def hear_signals():
    """Whoever started this in the background may have had it ignore what tests send."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number in (signal.SIGHUP, signal.SIGQUIT, signal.SIGTSTP):
        signal.signal(number, signal.SIG_DFL)


def main():
    hear_signals()
    names = sys.argv[1:] or [n for n in SUITES if n not in NOT_BY_DEFAULT]
    unknown = [n for n in names if n not in SUITES]
    if unknown:
        print(f"run_tests: no suite '{unknown[0]}'; there are: {' '.join(SUITES)}")
        return 2
    res = Results()
    for name in names:
        start = time.monotonic()
        print(f"== {name}", flush=True)
        SUITES[name](res)
        print(f"== {name}: {time.monotonic() - start:.0f} s", flush=True)
    for why, which in res.skips.items():
        print(f"skipped ({why}): {', '.join(which)}")
    for name in res.unsteady:
        print(f"unsteady (failed, then passed alone): {name}")
    for name in res.failures:
        print(f"failed: {name}")
    print(f"{res.passed} passed, {res.failed} failed, {res.skipped} skipped")
    return 1 if res.failed or not res.passed else 0


if __name__ == "__main__":
    sys.exit(main())
