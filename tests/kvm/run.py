#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Run a command, or the tests, in a machine with (emulated) hardware KVM.

    run.py -- COMMAND...         one command; its output and exit status
    run.py --shell               a shell on the machine's console
    run.py --tests short|full    the tests; --junit FILE keeps their report
    run.py --tests full -- ARGS  with further arguments for pytest

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
        if not re.search("/unit/(engine|virtio)/", cmd[0]):  # others know nothing of the machine
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


def pytest_order(what, engine, arguments):
    """Script that runs the chosen tests; each report is a file in /results.

    Those that fail are run again, alone, up to two times: guests under emulated SVM end in a triple
    fault now and then when several run at once. What still fails then is in a second report.
    """
    def one(name, where, prefix=""):
        tests = (f"{prefix} python3 -m pytest -v --tb=short -o cache_dir=/tmp/{name}.cache "
                 f"-o junit_family=xunit2 {shlex.join(arguments)}")
        return (f"{tests} -n 2 --dist=load --junitxml=/results/{name}.xml {where}\ns=$?\n"
                f"for i in 1 2; do [ $s -eq 1 ] || break\n"  # 1: tests failed
                f"mapfile -t failed < <(python3 -c {shlex.quote(FAILED)} /tmp/{name}.cache)\n"
                f'{tests} --junitxml=/results/{name}{AGAIN} "${{failed[@]}}"\ns=$?; done\n'
                f"[ $s -gt $status ] && status=$s\n")
    short = [line for line in (HERE / "short.txt").read_text().splitlines()
             if line and not line.startswith("#")]
    units = "units-short" if what == "short" else "units"
    order = exports(engine) + f"export MSB_TEST_UNITS={units}\nstatus=0\n"
    if what == "short":
        order += one("kvm", shlex.join(["tests/kvm/inside", *short]))
    else:
        order += one("root", "tests/kvm/inside tests/func")
        order += "cp -a rootfs /home/rootfs; chown -hR 65533:65533 /home/rootfs\n" \
                 "export MSB_TEST_ROOTFS=/home/rootfs\n" + one("user", "tests/func", ORDINARY)
    return order + "exit $status\n"


def run_tests(m, args, build):
    reports = pathlib.Path(args.junit) if args.junit else None
    units = m.directory / "units.json"
    units.write_text(unit_tests(build))
    m.extra.append((units, image.HOME / "units.json"))
    status = m.run(pytest_order(args.tests, args.engine, args.command), sys.stdout.buffer, args.limit)
    found = {n: data for n, data in m.results().items() if n.endswith((".xml", AGAIN))}
    if reports:
        reports.mkdir(parents=True, exist_ok=True)
        for name, data in found.items():
            (reports / name).write_bytes(data)
    return status


def parse():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--build", default=str(image.ROOT / "build-test"), help="build directory")
    ap.add_argument("--engine", choices=["kvm", "uml"], default="kvm", help="engine under test")
    ap.add_argument("--limit", type=int, default=600, help="seconds for the command")
    ap.add_argument("--memory", type=int, default=3072, help="MiB of the machine")
    ap.add_argument("--kernel-options", default="", help="further words for its kernel's command line")
    ap.add_argument("--add", action="append", default=[], metavar="PATH[:PLACE]",
                    help="further file or directory")
    ap.add_argument("--package", action="append", default=[], help="further installed package")
    ap.add_argument("--results", metavar="DIR", help="copy what was left in /results there")
    ap.add_argument("--tests", choices=["short", "full"])
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
        with machine.Machine(build, args.memory, args.package, extra_files(args.add),
                             args.kernel_options) as m:
            if args.tests:
                return run_tests(m, args, build)
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
