# SPDX-License-Identifier: Apache-2.0
"""msb self update and downgrade, from a directory and from web servers."""
import http.server
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import tarfile
import threading
import time

import pytest

import releases
from conftest import DEADLINE, MSB, wait_for
from releases import Source, files, name, pack, script

NGINX = shutil.which("nginx") or "/usr/sbin/nginx"


@pytest.fixture
def source(msb):
    return Source(msb.base / "releases")


def update(msb, source, *options, **kw):
    return msb("self", "update", "--from", getattr(source, "path", source), *options, **kw)


def used(msb):
    """Version of the release that is used, as its program tells."""
    program = msb.home / "bin/msb"
    if not os.path.lexists(program):
        return None
    text = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout
    return text.split()[1]


def installed(msb):
    lib = msb.home / "lib"
    return sorted(p.name for p in lib.iterdir()) if lib.exists() else []


def leftovers(msb):
    return [p for p in installed(msb) if not p.startswith("msb-")] + [
        p.name for p in (msb.home / "bin").glob(".*")]


def test_updates_follow_each_other(msb, source):
    source.publish("9.0.0")
    p = update(msb, source)
    assert p.returncode == 0, p.stderr
    assert p.stdout == ""
    lines = p.stderr.splitlines()
    assert lines[0] == "info Current version: v0.1.0" and lines[1] == "info Latest version: v9.0.0"
    assert re.fullmatch(r"done Updated to v9.0.0 in .*s\.", lines[2])
    assert lines[3] == f"done Installed as {msb.home}/bin/msb."
    assert used(msb) == "9.0.0" and installed(msb) == [name("9.0.0")] and not leftovers(msb)
    assert os.readlink(msb.home / "bin/msb") == f"../lib/{name('9.0.0')}/bin/msb"
    assert os.readlink(msb.home / "bin/microsandbox") == "msb"
    tree = msb.home / "lib" / name("9.0.0")
    assert os.access(tree / "bin/msb", os.X_OK) and os.readlink(tree / "bin/microsandbox") == "msb"
    assert (tree / "share/microsandbox/guest/initramfs.cpio").read_bytes() == b"x" * 5000

    source.publish("9.0.1")
    assert msb("update", "--from", source.path).returncode == 0
    assert used(msb) == "9.0.1"
    assert installed(msb) == [name("9.0.0"), name("9.0.1")]  # something may run from the old one
    source.publish("9.1")
    assert msb("self", "upgrade", "--from", f"file://{source.path}").returncode == 0
    assert used(msb) == "9.1" and installed(msb) == [name("9.0.1"), name("9.1")]
    assert not leftovers(msb)


def test_nothing_to_do(msb, source):
    source.publish("0.1.0")
    p = update(msb, source)
    assert (p.returncode, used(msb)) == (0, None) and "done Already up to date." in p.stderr
    source.publish("0.0.9")
    p = update(msb, source)
    assert (p.returncode, used(msb)) == (0, None) and "newer than the latest release" in p.stderr
    assert update(msb, source, "--force").returncode == 0
    assert used(msb) == "0.0.9"
    # what is installed is not installed again, unless one insists
    source.publish("9.0.0")
    assert update(msb, source).returncode == 0
    inode = (msb.home / "bin/msb").stat().st_ino
    assert update(msb, source).returncode == 0
    assert (msb.home / "bin/msb").stat().st_ino == inode
    assert update(msb, source, "-f").returncode == 0
    assert (msb.home / "bin/msb").stat().st_ino != inode and used(msb) == "9.0.0"


def test_downgrading(msb, source):
    for version in "0.0.8", "0.0.10", "0.0.9", "9.0.0":
        source.publish(version)
    p = msb("self", "downgrade", "--from", source.path)
    assert p.returncode == 0 and "Chosen version: v0.0.10" in p.stderr, p.stderr
    assert used(msb) == "0.0.10"
    assert msb("downgrade", "0.0.8", "--from", source.path).returncode == 0
    assert used(msb) == "0.0.8"
    p = msb("downgrade", "9.0.0", "--from", source.path)
    assert p.returncode == 1 and "is not older" in p.stderr and used(msb) == "0.0.8"
    p = msb("downgrade", "0.0.7", "--from", source.path)
    assert p.returncode == 1 and f"has no {name('0.0.7')}.tar.zst" in p.stderr
    for wrong in "../../x", "v1", "1/2", "1" * 33:
        p = msb("downgrade", wrong, "--from", source.path)
        assert p.returncode == 1 and "is not a version" in p.stderr


def test_where_from(msb, source):
    p = msb("update")
    assert p.returncode == 1 and "update.url" in p.stderr
    source.publish("9.0.0")
    config = json.loads((msb.home / "config.json").read_text())
    config["update"] = {"url": f"file://{source.path}"}
    (msb.home / "config.json").write_text(json.dumps(config))
    assert msb("update").returncode == 0 and used(msb) == "9.0.0"
    for wrong, message in (("ftp://x/y", "neither a directory"), ("file://host/x", "file:///"),
                           (msb.base / "missing", "No such file"), ("http://", "")):
        p = update(msb, wrong)
        assert p.returncode == 1 and message in p.stderr, p.stderr
    spaced = Source(msb.base / "a b%c")
    spaced.publish("9.0.1")
    assert update(msb, f"file://localhost{msb.base}/a%20b%25c").returncode == 0
    assert used(msb) == "9.0.1"


def test_a_package_is_left_to_its_manager(msb, source):
    source.publish("9.0.0")
    tree = msb.base / "opt"
    releases.tree_of_build(tree)
    (tree / "share/microsandbox/managed-by").write_text("update it with: apt upgrade msb\n")
    p = subprocess.run([tree / "bin/msb", "update", "--from", source.path], env=msb.env(),
                       capture_output=True, text=True, timeout=DEADLINE)
    assert p.returncode == 1
    assert "belongs to a package: update it with: apt upgrade msb" in p.stderr
    assert used(msb) is None


def test_a_real_one_runs_sandboxes(msb, source):
    tree = releases.release_of_build(source, "9.0.0", msb.base)
    p = update(msb, source)
    assert p.returncode == 0, p.stderr
    shutil.rmtree(tree)
    p = subprocess.run([msb.home / "bin/microsandbox", "run", "busybox", "--", "echo", "from 9"],
                       env=msb.env(), capture_output=True, text=True, timeout=DEADLINE)
    assert (p.returncode, p.stdout) == (0, "from 9\n"), p.stderr


# ---- what a source may have wrong ----

def damaged(data):
    return data[:len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1:]


@pytest.mark.parametrize("kind", ["sum", "cut", "latest", "no-latest", "no-sums", "not-listed",
                                  "twice", "empty", "not-tar", "wrong-top", "incomplete",
                                  "does-not-run", "worker-does-not-run"])
def test_refused_releases_change_nothing(msb, source, kind):
    source.publish("9.0.0")
    assert update(msb, source).returncode == 0
    good = source.publish("9.0.1")
    archive = source.path / f"{name('9.0.1')}.tar.zst"
    sums = source.path / "SHA256SUMS"
    if kind == "sum":
        archive.write_bytes(damaged(good))
    elif kind == "cut":
        archive.write_bytes(good[:-20])
        source.sum()
    elif kind == "latest":
        (source.path / "latest").write_text("../../x\n")
    elif kind == "no-latest":
        (source.path / "latest").unlink()
    elif kind == "no-sums":
        sums.unlink()
    elif kind == "not-listed":
        sums.write_text(sums.read_text().replace("9.0.1", "9.0.2"))
    elif kind == "twice":
        sums.write_text(sums.read_text() + f"{'0' * 64}  {archive.name}\n")
    elif kind == "empty":
        source.publish("9.0.1", b"")
    elif kind == "not-tar":
        source.publish("9.0.1", os.urandom(10000))
    elif kind == "wrong-top":
        source.publish("9.0.1", pack({f"{name('9.0.2')}/{p}": w
                                      for p, w in files("9.0.2").items()}))
    elif kind == "incomplete":
        source.publish("9.0.1", files={"libexec/microsandbox/msb-runtime": None})
    elif kind == "does-not-run":
        source.publish("9.0.1", files={"bin/msb": (0o755, script("kill -9 $$"))})
    elif kind == "worker-does-not-run":
        source.publish("9.0.1", files={"libexec/microsandbox/msb-image": (0o755, script("exit 127"))})
    p = update(msb, source)
    assert p.returncode == 1, p.stderr
    error = [line for line in p.stderr.splitlines() if line.startswith("error: ")]
    assert len(error) == 1 and error[0].startswith("error: update failed: "), p.stderr
    assert "unexpected" not in error[0]
    assert used(msb) == "9.0.0" and installed(msb) == [name("9.0.0")] and not leftovers(msb)


def special(kind, path, target=""):
    info = tarfile.TarInfo(path)
    info.type, info.linkname = kind, target
    return info


TOP = name("9.0.0")


@pytest.mark.parametrize("member", [
    {"../evil": (0o644, b"")}, {"/tmp/evil": (0o644, b"")}, {f"{TOP}/../../evil": (0o644, b"")},
    {f"{TOP}/./x": (0o644, b"")}, {f"{TOP}//x": (0o644, b"")},
    {f"{TOP}/l": "/etc/passwd"}, {f"{TOP}/l": "../x"}, {f"{TOP}/bin/l": "../../x"},
    {"l": TOP}, {f"{TOP}/l": ""},
    {f"{TOP}/d": ".", f"{TOP}/d/x": (0o644, b"")},
    {f"{TOP}/bin/msb": (0o755, b"again")},
    {f"{TOP}/bin/msb/x": (0o644, b"")},
    {f"{TOP}/h": special(tarfile.LNKTYPE, f"{TOP}/h", f"{TOP}/bin/msb")},
    {f"{TOP}/c": special(tarfile.CHRTYPE, f"{TOP}/c")},
    {f"{TOP}/p": special(tarfile.FIFOTYPE, f"{TOP}/p")},
    {TOP + "/a" * 40: (0o644, b"")},
    {f"{TOP}/{'n' * 300}": (0o644, b"")},
    {f"{TOP}/\x1b[2Jx": special(tarfile.FIFOTYPE, f"{TOP}/\x1b[2Jx")},
])
def test_hostile_archives(msb, source, member):
    members = {f"{TOP}/{p}": w for p, w in files("9.0.0").items()}
    names = list(members.items()) + list(member.items())
    if set(member) & set(members):  # the same name twice
        first, second = pack(members, False), pack(member, False)
        data = first.rstrip(b"\0")
        data += b"\0" * (-len(data) % 512) + second
        data = subprocess.run(["zstd", "-q"], input=data, stdout=subprocess.PIPE, check=True).stdout
    else:
        data = pack(dict(names))
    source.publish("9.0.0", data)
    p = update(msb, source)
    assert p.returncode == 1 and "\x1b" not in p.stderr, p.stderr
    assert "unexpected" not in p.stderr and p.stderr.count("error: update failed: ") == 1
    assert used(msb) is None and installed(msb) == []
    assert not pathlib.Path("/tmp/evil").exists() and not (msb.home / "evil").exists()


# ---- web servers ----

class Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, *args):
        super().__init__(*args, directory=str(self.place))

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.asked.append((self.path, self.headers.get("Range")))
        behave = self.behaviour.get(self.path.rpartition("/")[2])
        if not (behave and behave.pop(0)(self)):
            super().do_GET()
        if behave == []:
            self.behaviour.pop(self.path.rpartition("/")[2], None)


@pytest.fixture
def web(msb, source):
    """A server of the source whose answers a test may bend: {file: [functions]}."""
    handler = type("Bent", (Handler,), {"place": source.path, "asked": [], "behaviour": {}})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    handler.url = f"http://127.0.0.1:{server.server_port}"
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


def broken_off(request):
    """The first half, then nothing."""
    data = (pathlib.Path(request.directory) / request.path.lstrip("/")).read_bytes()
    request.send_response(200)
    request.send_header("Content-Length", str(len(data)))
    request.end_headers()
    request.wfile.write(data[:len(data) // 2])
    request.close_connection = True
    return True


def continued(request):
    """The rest, as a range."""
    start = int(re.fullmatch(r"bytes=(\d+)-", request.headers["Range"]).group(1))
    data = (pathlib.Path(request.directory) / request.path.lstrip("/")).read_bytes()
    request.send_response(206)
    request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
    request.send_header("Content-Length", str(len(data) - start))
    request.end_headers()
    request.wfile.write(data[start:])
    return True


def status(code, **headers):
    def answer(request):
        request.send_response(code)
        for key, value in headers.items():
            request.send_header(key, value)
        request.send_header("Content-Length", "0")
        request.end_headers()
        return True
    return answer


def endless(request):
    request.send_response(200)
    request.end_headers()
    try:
        while True:
            request.wfile.write(b"0" * 65536)
    except OSError:
        pass
    request.close_connection = True
    return True


def env(msb):
    return {k: v for k, v in msb.env().items() if not k.lower().endswith("_proxy")}


def test_from_a_web_server(msb, source, web):
    source.publish("9.0.0")
    p = update(msb, web.url + "/", env=env(msb))
    assert p.returncode == 0, p.stderr
    assert used(msb) == "9.0.0"
    assert [path for path, _ in web.asked] == ["/latest", "/SHA256SUMS", f"/{TOP}.tar.zst"]


def test_transfers_that_break_off_go_on(msb, source, web):
    data = source.publish("9.0.0", files={"share/filler": (0o644, os.urandom(300000))})
    web.behaviour[f"{TOP}.tar.zst"] = [broken_off, status(503), continued]
    web.behaviour["latest"] = [status(500), status(302, Location="/SHA256SUMS/../latest")]
    web.behaviour["SHA256SUMS"] = [broken_off]
    p = update(msb, web.url, env=env(msb))
    assert p.returncode == 0, p.stderr
    assert used(msb) == "9.0.0"
    ranges = [r for path, r in web.asked if path.endswith(".zst")]
    assert ranges == [None, f"bytes={len(data) // 2}-", f"bytes={len(data) // 2}-"]


@pytest.mark.parametrize("file, answers, message", [
    ("latest", [status(404)], "not found"),
    ("latest", [status(403)], "status 403"),
    ("latest", [status(302, Location="ftp://127.0.0.1/x")], "cannot be trusted"),
    ("latest", [status(302, Location="/latest")] * 9, "too many redirects"),
    ("latest", [endless], ""),
    ("SHA256SUMS", [endless], ""),
    (f"{TOP}.tar.zst", [status(503)] * 9, "status 503"),
    (f"{TOP}.tar.zst", [broken_off] + [status(206)] * 9, ""),
])
def test_servers_that_do_not_serve(msb, source, web, file, answers, message):
    source.publish("9.0.0")
    web.behaviour[file] = list(answers)
    p = update(msb, web.url, env=env(msb))
    assert p.returncode == 1 and message in p.stderr, p.stderr
    assert "error: update failed: " in p.stderr and "unexpected" not in p.stderr
    assert used(msb) is None and installed(msb) == []


def test_no_server(msb):
    p = update(msb, "http://127.0.0.1:9", env=env(msb))
    assert p.returncode == 1 and "error: update failed: 127.0.0.1: " in p.stderr, p.stderr


@pytest.fixture
def nginx(msb, source):
    """The source by TLS: (URL, file with the authority)."""
    base = msb.base / "nginx"
    base.mkdir()
    for cmd in (["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out",
                 "ca.pem", "-days", "2", "-subj", "/CN=authority of the test"],
                ["req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out", "csr.pem",
                 "-subj", "/CN=127.0.0.1"],
                ["x509", "-req", "-in", "csr.pem", "-CA", "ca.pem", "-CAkey", "ca.key", "-out",
                 "cert.pem", "-days", "2", "-set_serial", "2", "-extfile", "san"]):
        (base / "san").write_text("subjectAltName=IP:127.0.0.1\n")
        subprocess.run(["openssl", *cmd], cwd=base, check=True, capture_output=True)
    port = random.Random().randrange(20000, 30000)
    (base / "conf").write_text(f"""
daemon off; master_process off; pid {base}/pid; error_log {base}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log {base}/access.log;
  client_body_temp_path {base}/b; proxy_temp_path {base}/p; fastcgi_temp_path {base}/f;
  uwsgi_temp_path {base}/u; scgi_temp_path {base}/s;
  server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {base}/cert.pem;
    ssl_certificate_key {base}/key.pem; root {source.path}; }}
}}
""")
    p = subprocess.Popen([NGINX, "-e", base / "error.log", "-c", base / "conf"])
    wait_for((base / "pid").exists, "nginx")
    yield f"https://127.0.0.1:{port}", base / "ca.pem", base / "access.log"
    p.terminate()
    p.wait()


def test_tls(msb, source, nginx):
    url, ca, log = nginx
    source.publish("9.0.0")
    p = update(msb, url, env=env(msb))
    assert p.returncode == 1 and "not trusted" in p.stderr, p.stderr
    assert used(msb) is None
    p = update(msb, url, "--ca-certs", ca, env=env(msb))
    assert p.returncode == 0, p.stderr
    assert used(msb) == "9.0.0" and f"GET /{TOP}.tar.zst" in log.read_text()
    p = update(msb, url, "--ca-certs", source.path / "latest", env=env(msb))
    assert p.returncode == 1 and "invalid PEM certificate" in p.stderr


# ---- kills, full disks, several at once ----

def test_killed_at_any_moment(msb, source):
    """The program that is found always works, and the next update puts everything right."""
    seed = int(os.environ.get("MSB_TEST_SEED", random.randrange(1 << 30)))
    kills = int(os.environ.get("MSB_TEST_KILLS", 25))
    rng = random.Random(seed)
    source.publish("9.0.0")
    begin = time.monotonic()
    assert update(msb, source).returncode == 0
    took = time.monotonic() - begin
    versions = {"9.0.0"}
    for n in range(kills):
        version = f"9.0.{n + 1}"
        source.publish(version)
        versions.add(version)
        p = msb.popen("update", "--from", source.path, start_new_session=True)
        time.sleep(rng.uniform(0, 1.2 * took))
        p.send_signal(signal.SIGKILL)
        p.communicate()
        assert used(msb) in versions, f"MSB_TEST_SEED={seed}"
    source.publish("9.9.9")
    p = update(msb, source)
    assert p.returncode == 0, p.stderr
    assert used(msb) == "9.9.9" and not leftovers(msb) and len(installed(msb)) == 2


def test_several_at_once(msb, source):
    source.publish("9.0.0")
    processes = [msb.popen("update", "--from", source.path) for _ in range(6)]
    for p in processes:
        _, text = p.communicate(timeout=DEADLINE)
        assert p.returncode == 0, text
    assert used(msb) == "9.0.0" and installed(msb) == [name("9.0.0")] and not leftovers(msb)


def test_limited_files(msb, source):
    """As a full disk is: nothing of what cannot be written is left."""
    source.publish("9.0.0")
    assert update(msb, source).returncode == 0
    source.publish("9.0.1", files={"share/filler": (0o644, os.urandom(3 << 20))})
    for blocks in 0, 8, 1000:
        p = subprocess.run(["bash", "-c", f'ulimit -f {blocks}; exec "$@"', "sh", MSB, "update",
                            "--from", source.path], env=msb.env(), capture_output=True, text=True,
                           timeout=DEADLINE)
        assert p.returncode == 1 and "error:" in p.stderr, p.stderr
        assert used(msb) == "9.0.0" and installed(msb) == [name("9.0.0")] and not leftovers(msb)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small file system")
def test_full_disk(msb, source):
    source.publish("9.0.0")
    assert update(msb, source).returncode == 0
    source.publish("9.0.1", files={"share/filler": (0o644, os.urandom(6 << 20))})
    script_text = ('mount -t tmpfs -o size=8m none "$1" && cp -a "$2"/. "$1" && shift 2 && '
                   '"$@"; code=$?; find "$MSB_HOME/lib" "$MSB_HOME/bin"; '
                   '"$MSB_HOME/bin/msb" --version; exit $code')
    copy = msb.base / "copy"
    shutil.copytree(msb.home, copy, symlinks=True)
    p = subprocess.run(["unshare", "-m", "sh", "-c", script_text, "sh", msb.home, copy, MSB,
                        "update", "--from", source.path], env=msb.env(), capture_output=True,
                       text=True, timeout=DEADLINE)
    assert p.returncode == 1 and "No space left" in p.stderr, p.stderr
    assert "msb 9.0.0" in p.stdout and ".new" not in p.stdout and "9.0.1" not in p.stdout


def test_a_file_in_the_links_place(msb, source):
    """An msb that was copied there by hand; it comes back when the new one fails."""
    (msb.home / "bin").mkdir(parents=True)
    own = msb.home / "bin/msb"
    own.write_bytes(script("echo msb own"))
    own.chmod(0o755)
    flaky = script('case $0 in */.new/*) exit 0;; esac; exit 3')
    source.publish("9.0.0", files={"bin/msb": (0o755, flaky)})
    p = update(msb, source)
    assert p.returncode == 1 and "does not work" in p.stderr
    assert used(msb) == "own" and installed(msb) == [] and not leftovers(msb)
    source.publish("9.0.1")
    assert update(msb, source).returncode == 0 and used(msb) == "9.0.1"
    source.publish("9.0.2", files={"bin/msb": (0o755, flaky)})
    assert update(msb, source).returncode == 1
    assert used(msb) == "9.0.1" and installed(msb) == [name("9.0.1")] and not leftovers(msb)
