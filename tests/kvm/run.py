#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run a command, or the tests, in a machine with (emulated) hardware KVM.

    run.py -- COMMAND...         one command; its output and exit status
    run.py --shell               a shell on the machine's console
    run.py --tests SUITE         the tests; --junit DIR keeps their reports
    run.py --tests func -- ARGS  with further arguments for pytest

In the machine the project is at /msb: the build in /msb/build, tests in /msb/tests.
"""
import argparse
import json
import pathlib
import re
import shlex
import subprocess
import sys

import image
import machine

HERE = pathlib.Path(__file__).resolve().parent
# the names of the tests that failed last, from pytest's cache
FAILED = "import json, sys; print(*json.load(open(sys.argv[1] + '/v/cache/lastfailed')), sep='\\n')"
AGAIN = ".again"  # end of the name of the report on tests that were run again
SCALE = 3  # of the deadlines in tests: emulation is slow
ENVIRONMENT = {"MSB_TEST_SCALE": str(SCALE),
               "MSB_BUILD": str(image.HOME / "build"),
               "MSB_TEST_ROOTFS": str(image.HOME / "rootfs"), "PYTHONDONTWRITEBYTECODE": "1"}
SUITES = ["short", "func", "net", "images", "sdk"]
MACHINES = 4  # at most, for a suite
ORDINARY = "setpriv --reuid=65533 --regid=65533 --clear-groups --inh-caps=-all " \
           "env HOME=/nonexistent USER=ordinary"


def unit_tests(build):
    """The engines' and devices' unit tests for inside/test_units.py, paths as in the machine."""
    out = subprocess.run(["meson", "introspect", "--tests", str(build)], stdout=subprocess.PIPE,
                         text=True, check=True).stdout
    places = [(str(build), str(image.HOME / "build")), (str(image.ROOT), str(image.HOME))]
    tests = []
    for test in json.loads(out):
        cmd, env = test["cmd"], test["env"]
        if not re.search("/t_(engine|virtio)_[^/]*$", cmd[0]):  # others know nothing of the machine
            continue
        for old, new in places:
            cmd = [word.replace(old, new) for word in cmd]
            env = {k: v.replace(old, new) for k, v in env.items()}
        if cmd[0].rsplit("/", 1)[1].startswith("python3"):
            cmd[0] = "/usr/bin/python3"
        tests.append({"name": test["name"], "cmd": cmd, "env": env, "timeout": test["timeout"]})
    return json.dumps(tests)


def exports(engine):
    """Shell lines that set the environment of what runs in the machine."""
    names = {"MSB_TEST_ENGINE": engine, **ENVIRONMENT}
    return "".join(f"export {k}={shlex.quote(v)}\n" for k, v in names.items())


def chosen(name):
    """Words of a shell: the tests in a list next to this file."""
    lines = (HERE / f"{name}.txt").read_text().splitlines()
    return shlex.join(line for line in lines if line and not line.startswith("#"))


def groups(name, directory, size, prefix=ORDINARY):
    """Runs with some of the directory's files each."""
    files = sorted(str(p.relative_to(image.ROOT)) for p in (image.ROOT / directory).glob("test_*.py"))
    parts = [files[i:i + size] for i in range(0, len(files), size)]
    return [(f"{name}-{i}", shlex.join(part), prefix) for i, part in enumerate(parts, 1)]


def runs(suite):
    """(report's name, what pytest is to run, prefix of the command) of each run of a suite.

    The ordinary user runs what there is. Root, who is allowed more and tests less, runs a choice,
    what is for root alone, and images, whose yardstick wants to be root.
    """
    if suite == "short":
        return [("kvm", chosen("short"), "")]
    if suite == "func":
        return [("root", f"{chosen('short')} {chosen('root')}", ""), *groups("user", "tests/func", 5)]
    if suite == "net":
        return groups("net", "tests/net", 4)
    if suite == "images":
        return groups("images", "tests/images", 3, "")
    # all but what builds with the languages' own tools; drivers know the place where they were built
    prefix = f"{ORDINARY} LD_LIBRARY_PATH={image.HOME}/build"
    files = [f"tests/sdk/test_{name}.py" for name in ("clients", "examples", "node", "table")]
    return [("sdk", shlex.join(files), prefix), ("python", "sdk/python/tests", ORDINARY)]


def pytest_order(suite, left, engine, arguments):
    """Script that does some runs; each report is a file in /results, kept at once.

    Tests that fail are run again, alone, up to two times: in a slow machine on a busy one some are
    late in ways no test foresees. What still fails then is in a second report.
    """
    order = exports(engine) + "status=0\n" \
        f"export MSB_TEST_UNITS={'units-short' if suite == 'short' else 'units'}\n" \
        "cp -a rootfs /home/rootfs; chown -hR 65533:65533 /home/rootfs\n"
    for name, where, prefix in left:
        tests = (f"{'MSB_TEST_ROOTFS=/home/rootfs ' if prefix else ''}{prefix} "
                 f"python3 -m pytest -v --tb=short -o cache_dir=/tmp/{name}.cache "
                 f"-o junit_family=xunit2 {shlex.join(arguments)}")
        order += (f"{tests} -n 2 --dist=load --junitxml=/results/{name}.xml {where}\ns=$?\n"
                  f"for i in 1 2; do [ $s -eq 1 ] || break\n"  # 1: tests failed
                  f"mapfile -t failed < <(python3 -c {shlex.quote(FAILED)} /tmp/{name}.cache)\n"
                  f'{tests} --junitxml=/results/{name}{AGAIN} "${{failed[@]}}"\ns=$?; done\n'
                  f"{'[ $s -eq 5 ] && s=0' if arguments else ''}\n"  # 5: none of these tests was asked for
                  f"[ $s -gt $status ] && status=$s\n{machine.KEEP}\n")
    return order + "exit $status\n"


def one_machine(args, build, left):
    """Do runs of a suite in a new machine: (status, reports by name, why it died or None)."""
    with new_machine(args, build) as m:
        units = m.directory / "units.json"
        units.write_text(unit_tests(build))
        m.extra.append((units, image.HOME / "units.json"))
        order = pytest_order(args.tests, left, args.engine, args.command)
        status, died = 0, None
        try:
            status = m.run(order, sys.stdout.buffer, args.limit)
        except machine.MachineError as e:
            died = e
        return status, {n: data for n, data in m.results().items() if n.endswith((".xml", AGAIN))}, died


def run_tests(args, build):
    """All runs of a suite; when a machine dies, another goes on behind its last report.

    Returns 0, 1 if tests failed, or 125 if they did not all run.
    """
    left, status, reports = runs(args.tests), 0, {}
    for _ in range(MACHINES):
        status, found, died = one_machine(args, build, left)
        reports |= found
        left = [run for run in left if f"{run[0]}.xml" not in found]
        if not died or not left:
            break
        print(f"kvm: {died}", file=sys.stderr, flush=True)
    if args.junit:
        pathlib.Path(args.junit).mkdir(parents=True, exist_ok=True)
        for name, data in reports.items():
            (pathlib.Path(args.junit) / name).write_bytes(data)
    if left:
        return 125
    last = {name.removesuffix(".xml"): data for name, data in reports.items() if name.endswith(".xml")}
    last |= {name.removesuffix(AGAIN): data for name, data in reports.items() if name.endswith(AGAIN)}
    return max(status, int(any(re.search(b"<(failure|error)", data) for data in last.values())))


def new_machine(args, build):
    packages = args.package
    if args.tests and args.tests != "short":
        packages = packages + image.TESTED_WITH
    return machine.Machine(build, args.memory, packages, extra_files(args.add), args.kernel_options)


def parse():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--build", default=str(image.ROOT / "build-test"), help="build directory")
    ap.add_argument("--engine", choices=["kvm", "uml"], default="kvm", help="engine under test")
    ap.add_argument("--limit", type=int, default=600, help="seconds for the command, or for the tests of one machine")
    ap.add_argument("--memory", type=int, default=3072, help="MiB of the machine")
    ap.add_argument("--kernel-options", default="", help="further words for its kernel's command line")
    ap.add_argument("--add", action="append", default=[], metavar="PATH[:PLACE]",
                    help="further file or directory")
    ap.add_argument("--package", action="append", default=[], help="further installed package")
    ap.add_argument("--results", metavar="DIR", help="copy what was left in /results there")
    ap.add_argument("--tests", choices=SUITES)
    ap.add_argument("--junit", metavar="DIR", help="directory for the tests' reports")
    ap.add_argument("--shell", action="store_true")
    ap.add_argument("command", nargs="*")
    args = ap.parse_args()
    if bool(args.shell) + bool(args.tests) + bool(args.command and not args.tests) != 1:
        ap.error("give a command, --shell or --tests")
    return args


def extra_files(words):
    """(source, place) of each PATH[:PLACE]; without a place it is the same path."""
    pairs = []
    for word in words:
        source, _, place = word.partition(":")
        source = pathlib.Path(source).resolve()
        pairs.append((source, place or str(source)))
    return pairs


def main():
    args = parse()
    why_not = machine.unavailable()
    if why_not:
        print(f"kvm: {why_not}", file=sys.stderr)
        return 77
    build = pathlib.Path(args.build).resolve()
    try:
        if args.tests:
            return run_tests(args, build)
        with new_machine(args, build) as m:
            order = exports(args.engine) + f"exec {shlex.join(args.command)}\n"
            status = m.run(order, sys.stdout.buffer, args.limit, args.shell)
            if args.results:
                pathlib.Path(args.results).mkdir(parents=True, exist_ok=True)
                for name, data in m.results().items():
                    if name != ".status":
                        (pathlib.Path(args.results) / pathlib.Path(name).name).write_bytes(data)
            return status
    except machine.MachineError as e:
        print(f"kvm: {e}", file=sys.stderr)
        return 125
    except machine.Stopped:
        return 130


if __name__ == "__main__":
    sys.exit(main())
