# SPDX-License-Identifier: Apache-2.0
"""Sandboxes whose host is alone in a network namespace made for them.

The namespace's loopback interface has addresses of every kind, with servers behind them; everything
else goes out by an interface whose other end is the test itself. Guests run the host's programs.
"""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import textwrap

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tests"))
import neighbour  # noqa: E402

func = neighbour.load("func_conftest", ROOT / "tests/func/conftest.py")
BUILD, MSB, DEADLINE, wait_for = func.BUILD, func.MSB, func.DEADLINE, func.wait_for
SANITIZED, SCALE = func.SANITIZED, func.SCALE
pytest_collection_modifyitems = func.pytest_collection_modifyitems
pytest_configure = func.pytest_configure
pytest_runtest_makereport = func.pytest_runtest_makereport

import peers as peer_servers  # noqa: E402
import resolvers  # noqa: E402
import spaces  # noqa: E402
import tlspeers  # noqa: E402

PUBLIC4, PUBLIC6 = "8.8.8.8", "2606:4700::1111"
OTHER4, OTHER6 = "172.32.0.1", "2a00::2"  # public, too: the names are bound to these
DNS4, DNS6 = "9.9.9.9", "2620:fe::9"  # dnsmasq
ADDRESSES4 = [PUBLIC4, OTHER4, DNS4, "10.1.2.3", "172.31.255.1", "192.168.1.1", "100.64.0.1",
              "169.254.1.1", "169.254.169.254"]
# the last two carry 10.1.2.3: NAT64 and 6to4
ADDRESSES6 = [PUBLIC6, OTHER6, DNS6, "fd00::1", "fd00:ec2::254", "64:ff9b::a01:203",
              "2002:a01:203::1"]
OWN4, OWN6 = "192.168.77.2", "fd77::2"  # of the interface that leads out
GATEWAY4, GATEWAY6 = "172.16.0.1", "fd42:6d73:62::1"  # of the first slot
SILENT4, SILENT6 = "4.4.4.4", "2600::4"  # nobody answers
UNREACHABLE4, UNREACHABLE6 = "5.5.5.5", "2600:5::5"  # the host has no route there


class World:
    """A namespace that is a whole world: the sandbox's host, and all it can reach."""

    def __init__(self, v4=True, v6=True):
        self.keeper = spaces.Keeper()
        self.space = spaces.Space(self.keeper)
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="msb-test-net-"))
        self.processes = []
        self.space.sysctl("net/ipv6/conf/all/accept_dad", "0")
        self.wire = peer_servers.Wire(self.space.tun("out"))
        lines = ["link set out up"]
        if v4:
            lines += [f"addr add {a}/32 dev lo" for a in ADDRESSES4 + tlspeers.ADDRESSES4]
            lines += [f"addr add {OWN4}/24 dev out", "route add default dev out",
                      f"route add unreachable {UNREACHABLE4}/32",
                      "route add multicast 239.0.0.0/8 dev lo"]
        if v6:
            lines += [f"addr add {a}/128 dev lo nodad" for a in ADDRESSES6 + tlspeers.ADDRESSES6]
            lines += [f"addr add {OWN6}/64 dev out nodad", "route add ::/0 dev out",
                      f"route add unreachable {UNREACHABLE6}/128"]
        self.space("ip", "-batch", "-", input="\n".join(lines) + "\n")
        addresses = ["127.0.0.1", "::1"] + v4 * ADDRESSES4 + v6 * ADDRESSES6
        self.peers = peer_servers.Peers(
            self.space, [a for a in addresses if a not in (DNS4, DNS6)],
            addresses + v4 * [OWN4] + v6 * [OWN6])
        # for those who ask the host's resolver, not the guest
        resolv = self.base / "resolv.conf"
        resolv.write_text(f"nameserver {DNS4 if v4 else DNS6}\n")
        self.space.bind_file(resolv, "/etc/resolv.conf")

    def start(self, *cmd, **kw):
        """A server that lives as long as the world; what it says is kept in a file."""
        log = self.base / f"{pathlib.Path(cmd[0]).name}-{len(self.processes)}.log"
        with open(log, "wb") as f:
            p = self.space.serve(*cmd, stdout=f, stderr=subprocess.STDOUT, **kw)
        self.processes.append(p)
        return p, log

    def listening(self, port, address="127.0.0.1"):
        """Wait until someone listens there."""
        def there():
            with self.space.open_socket() as s:
                return s.connect_ex((address, port)) == 0
        wait_for(there, f"port {port}")

    def forget(self):
        """Whatever arrived until now is another test's."""
        self.peers.take()
        self.wire.take()

    def close(self):
        for p in self.processes:
            if p.poll() is None:
                p.kill()
            p.wait()
        self.peers.close()
        self.wire.close()
        self.keeper.close()
        shutil.rmtree(self.base, ignore_errors=True)


@pytest.fixture(scope="session")
def the_world():
    for program in ("ip", "nsenter", "unshare"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    if not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("no access to /dev/net/tun")
    try:
        w = World()
    except spaces.Refused as e:
        pytest.skip(f"no network namespaces: {e}")
    yield w
    w.close()


@pytest.fixture
def world(the_world):
    the_world.forget()
    yield the_world
    the_world.wire.answer = None


@pytest.fixture(scope="session")
def pristine():
    """A root directory that borrows the host's programs; /usr is to be mounted."""
    if not shutil.which("python3", path="/usr/bin"):
        pytest.skip("no /usr/bin/python3")
    base = pathlib.Path(tempfile.mkdtemp(prefix="msb-test-root-"))
    root = base / "rootfs"
    for name in ("usr", "etc", "tmp", "root", "var/tmp", "run", "dev", "proc", "sys"):
        (root / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    for name in ("passwd", "group", "ld.so.cache", "nsswitch.conf", "services", "protocols"):
        if pathlib.Path("/etc", name).exists():
            shutil.copy(f"/etc/{name}", root / "etc")
    shutil.copytree("/etc/alternatives", root / "etc/alternatives", symlinks=True)
    for name in ("inside.py", "tlsinside.py"):
        shutil.copy(HERE / name, root / name)
    yield root
    shutil.rmtree(base, ignore_errors=True)


class Msb(func.Msb):
    """msb, always in the namespace: nothing it does can leave the machine."""

    def __init__(self, base, pristine, world):
        super().__init__(base, pristine)
        self.world = world
        self.names = 0

    def __call__(self, *args, input=None, timeout=DEADLINE, text=True, env=None, **kw):
        if input is None and "stdin" not in kw:
            kw["stdin"] = subprocess.DEVNULL
        return subprocess.run([*self.world.space.prefix, MSB, *map(str, args)], input=input,
                              capture_output=True, text=text, timeout=timeout,
                              env=env or self.env(), cwd=self.cwd, **kw)

    def popen(self, *args, env=None, **kw):
        kw.setdefault("stdout", subprocess.PIPE)
        kw.setdefault("stderr", subprocess.PIPE)
        return self.world.space.popen(MSB, *args, env=env or self.env(), cwd=self.cwd, **kw)

    def boot(self, *options, name=None, **env):
        """A running sandbox with the host's programs; its name. env: of whom creates it."""
        self.names += 1
        name = name or f"box{self.names}"
        self.ok("create", "-q", "-n", name, "-v", "/usr:/usr:ro", *options, self.rootfs,
                env=self.env(**env))
        return name

    def boot_section(self, section, **env):
        """The same by way of the library, with this as its network section."""
        self.names += 1
        name = f"box{self.names}"
        p = self.world.space.popen(sys.executable, HERE / "by_library.py", BUILD / "libmicrosandbox.so",
                                   name, self.rootfs, json.dumps(section), env=self.env(**env),
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        _, err = p.communicate(timeout=DEADLINE)
        assert p.returncode == 0, err
        return name

    def sh(self, name, script, **kw):
        """Run a shell script in there; the finished process."""
        return self("exec", name, "--", "bash", "-c", script, **kw)

    def python(self, name, script, *args):
        """Run a script that has inside.py's functions; its output."""
        p = self("exec", name, "--", "/usr/bin/python3", "-S", "-c",
                 "import sys; sys.path.insert(0, '/')\nfrom inside import *\n" +
                 textwrap.dedent(script), *map(str, args))
        assert p.returncode == 0, f"{p.stdout}\n{p.stderr}\n{self.log(name)[-3000:]}"
        return p.stdout

    def probe(self, name, targets):
        """{target: what became of it}, for targets of inside.py."""
        p = self("exec", "-e", f"SCALE={SCALE}", name, "--", "/usr/bin/python3", "-S", "/inside.py",
                 input=json.dumps(targets))
        assert p.returncode == 0, f"{p.stdout}\n{p.stderr}"
        return json.loads(p.stdout)

    def clients(self, name, *cases):
        """What became of each case of tlsinside.py; what it got as octets."""
        p = self("exec", name, "--", "/usr/bin/python3", "-S", "/tlsinside.py",
                 input=json.dumps(cases))
        assert p.returncode == 0, f"{p.stdout}\n{p.stderr}\n{self.log(name)[-3000:]}"
        results = json.loads(p.stdout)
        for r in results:
            r["got"] = base64.b64decode(r["got"])
            r["frames"] = [(*f[:3], base64.b64decode(f[3])) for f in r["frames"]]
        return results

    def log(self, name):
        return (self.dir(name) / "logs/runtime.log").read_text(errors="replace")

    def told(self, name, *words):
        """The log has each of these, or will in a moment: it is written by a thread of its own."""
        for word in words:
            wait_for(lambda w=word: w in self.log(name), f"{word!r} in the log of {name}", 20)

    def away(self, *names):
        self.ok("rm", "-f", "-q", *names)


@pytest.fixture
def msb(pristine, world):
    base = pathlib.Path(tempfile.mkdtemp(prefix="msb-test-"))
    m = Msb(base, pristine, world)
    yield m
    m.clean()
    shutil.rmtree(base, ignore_errors=True)


NAMES = {  # what dnsmasq says: name -> addresses
    "one.example.com": [OTHER4, OTHER6], "two.example.com": [PUBLIC4, PUBLIC6],
    "v4.example.com": [PUBLIC4], "deep.down.example.com": [OTHER4, OTHER6],
    "a.example.org": [OTHER4, OTHER6], "b.example.org": [OTHER4, OTHER6],
    "example.com": [PUBLIC4, PUBLIC6], "badexample.com": [PUBLIC4, PUBLIC6],
    "to-private.example.com": ["10.1.2.3"], "to-loopback.example.com": ["127.0.0.1"],
    "to-metadata.example.com": ["169.254.169.254"], "to-link.example.com": ["169.254.1.1"],
    "to-nothing.example.com": ["0.0.0.0"], "to-private6.example.com": ["fd00::1"],
    "to-loopback6.example.com": ["::1"], "to-nat64.example.com": ["64:ff9b::a01:203"],
    "to-6to4.example.com": ["2002:a01:203::1"], "to-mapped.example.com": ["::ffff:10.1.2.3"],
    "to-test-net.example.com": ["203.0.113.5"], **tlspeers.NAMES,
}
ALIASES = {"alias.example.net": "one.example.com", "c1.example.net": "c2.example.net",
           "c2.example.net": "c3.example.net", "c3.example.net": "two.example.com"}


@pytest.fixture(scope="session")
def the_dnsmasq(the_world):
    records = [f"--host-record={','.join([name, *addresses])},300"
               for name, addresses in NAMES.items()]
    records += [f"--cname={name},{target},60" for name, target in ALIASES.items()]
    records += ["--host-record=short.example.com," + OTHER4 + ",1",
                "--txt-record=big.example.com," + ",".join(c * 250 for c in "abcdefgh"),
                "--txt-record=small.example.com,hello"]
    return resolvers.Dnsmasq(the_world, [DNS4, DNS6], records)


@pytest.fixture
def dnsmasq(the_dnsmasq):
    the_dnsmasq.asked()
    return the_dnsmasq


@pytest.fixture(scope="session")
def the_servers(the_world, the_dnsmasq):
    s = tlspeers.Servers(the_world)
    yield s
    s.close()


@pytest.fixture
def servers(the_servers):
    the_servers.forget()
    yield the_servers
    the_servers.recorder.released.set()


@pytest.fixture
def boot(msb, servers):
    """boot(options…): a sandbox that has a secret, for API if no other is named."""
    def run(*options, value=tlspeers.VALUE, secret=f"API_KEY@{tlspeers.API}"):
        return msb.boot("--secret", secret, "--tls-upstream-ca-cert", servers.ca, *options,
                        API_KEY=value)
    return run
