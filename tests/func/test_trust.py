# SPDX-License-Identifier: Apache-2.0
"""Certificates that the guest is to trust: where programs look for them, at every start once."""
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from archives import Archive, tar_of, tar_with
from conftest import DEADLINE

BUNDLE = "/etc/ssl/certs/ca-certificates.crt"
SOURCES = ["/usr/local/share/ca-certificates", "/etc/pki/ca-trust/source/anchors"]
VARIABLES = ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"]
FOREIGN = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
HOST_BUNDLES = [BUNDLE, "/etc/pki/tls/certs/ca-bundle.crt"]


def put(msb, path, text, mode=0o644):
    file = msb.rootfs / path.lstrip("/")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)
    file.chmod(mode)
    return file


def authority(msb):
    return (msb.home / "tls/ca.crt").read_text()


def sh(msb, name, script):
    return msb.ok("exec", name, "--", "sh", "-c", script)


def wait(msb):
    """What the first program finds is there."""
    msb.ok("exec", "box", "--", "true")


def start(msb, *options):
    msb.create("box", "--tls-intercept", *options)
    wait(msb)


def restart(msb):
    msb.ok("stop", "-q", "box")
    msb.ok("start", "-q", "box")
    wait(msb)


def test_layouts(msb):
    """The bundle of a distribution is found, also where it is a link, and keeps its mode."""
    for bundle, target, sources in (
            (BUNDLE, None, SOURCES[0]),
            ("/etc/ssl/cert.pem", "certs/ca-certificates.crt", SOURCES[0]),
            ("/etc/pki/tls/certs/ca-bundle.crt", "/etc/pki/ca-trust/extracted/pem/all.pem",
             SOURCES[1]),
            ("/etc/ssl/ca-bundle.pem", "/var/lib/ca-certificates/ca-bundle.pem",
             "/etc/pki/trust/anchors"),
            (BUNDLE, "../../ca-certificates/extracted/tls-ca-bundle.pem",
             "/etc/ca-certificates/trust-source/anchors")):
        for path in ("etc/ssl", "etc/pki", "etc/ca-certificates", "usr/local/share", "var/lib"):
            shutil.rmtree(msb.rootfs / path, ignore_errors=True)
        (msb.rootfs / sources.lstrip("/")).mkdir(parents=True)
        real = bundle if not target else os.path.join(os.path.dirname(bundle), target)
        real = os.path.normpath(real)
        file = put(msb, real, FOREIGN, 0o444)
        if target:
            link = msb.rootfs / bundle.lstrip("/")
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target)
        used = real if bundle == "/etc/ssl/cert.pem" else bundle
        start(msb)
        lines = sh(msb, "box", f"echo ${' $'.join(VARIABLES)} $NODE_EXTRA_CA_CERTS; "
                               f"stat -c %a {real}; cat {used}").splitlines(True)
        assert lines[0].split() == [used] * 3 + ["/.msb/tls/ca.pem"]
        assert lines[1] == "444\n"
        text = "".join(lines[2:])
        assert text.startswith(FOREIGN) and text.count(authority(msb)) == 1
        for end in ("pem", "crt"):
            assert (msb.rootfs / sources.lstrip("/") / f"microsandbox-ca.{end}").read_text() \
                == authority(msb)
        if target:
            assert link.is_symlink() and not file.is_symlink()
        msb.ok("rm", "-f", "-q", "box")


def test_nothing_is_there(msb):
    """Directories that are made are open to all, whatever the mask of who starts the sandbox."""
    mask = os.umask(0o077)
    try:
        start(msb)
    finally:
        os.umask(mask)
    for path in [*SOURCES, os.path.dirname(BUNDLE), "/etc/pki", "/usr/local/share", "/.msb/tls"]:
        assert sh(msb, "box", f"stat -c %a {path}") == "755\n", path
    for path in (f"{SOURCES[0]}/microsandbox-ca.crt", f"{SOURCES[1]}/microsandbox-ca.pem", BUNDLE,
                 "/.msb/tls/ca.pem"):
        assert sh(msb, "box", f"stat -c %a {path}; cat {path}").startswith("644\n"), path


def test_started_again(msb):
    """Nothing is added twice; another authority takes the place of the last one."""
    bundle = put(msb, BUNDLE, FOREIGN.rstrip("\n"))
    start(msb)
    once = bundle.read_text()
    assert once.startswith(FOREIGN) and once.count("BEGIN CERT") == 2
    for _ in range(2):
        restart(msb)
        assert bundle.read_text() == once
    first = authority(msb)
    # as the distributions' tools leave it
    bundle.write_text(FOREIGN + first)
    restart(msb)
    assert bundle.read_text() == FOREIGN + first
    shutil.rmtree(msb.home / "tls")
    restart(msb)
    assert authority(msb) != first
    assert bundle.read_text().count(authority(msb)) == 1 and first not in bundle.read_text()


def test_bytes_that_are_no_text(msb):
    bundle = put(msb, BUNDLE, "")
    bundle.write_bytes(b"\xff\xfe caf\xe9 \0\n")
    start(msb)
    assert bundle.read_bytes().startswith(b"\xff\xfe caf\xe9 \0\n#")
    assert authority(msb).encode() in bundle.read_bytes()


def test_variables(msb):
    """The user's own count; every process has them, also the one that takes the first's place."""
    (msb.rootfs / "etc/inittab").write_text("::sysinit:/bin/true\n")
    start(msb, "-e", "CURL_CA_BUNDLE=/mine", "--init", "/sbin/init")
    own = msb.ok("exec", "-e", "SSL_CERT_FILE=/too", "box", "--", "sh", "-c",
                 "echo $CURL_CA_BUNDLE $SSL_CERT_FILE $REQUESTS_CA_BUNDLE")
    assert own.split() == ["/mine", "/too", BUNDLE]
    init = sh(msb, "box", "tr '\\0' '\\n' < /proc/1/environ")
    assert f"SSL_CERT_FILE={BUNDLE}\n" in init and "CURL_CA_BUNDLE=/mine\n" in init


def test_without_interception(msb):
    p = msb.run("--", "sh", "-c", f"env; ls -d /.msb/tls {BUNDLE} {' '.join(SOURCES)}")
    assert "CA_" not in p.stdout and "SSL_" not in p.stdout
    assert p.stdout.count("/etc") + p.stdout.count("/.msb/tls") == 0


def test_a_bundle_that_cannot_be_written(msb):
    """A file of the host's that is mounted there stays as it is, and still is what programs read."""
    (msb.base / "theirs").write_text(FOREIGN)
    put(msb, BUNDLE, "")
    for options in ("", ":ro"):
        start(msb, "-v", f"{msb.base}/theirs:{BUNDLE}{options}")
        text = sh(msb, "box", f"cat {BUNDLE}; test $SSL_CERT_FILE = {BUNDLE}")
        assert text.startswith(FOREIGN) and authority(msb) in text
        assert (msb.base / "theirs").read_text() == FOREIGN
        msb.ok("rm", "-f", "-q", "box")


def test_an_image(msb, pristine):
    archive = Archive()
    archive.add("img", [tar_of(pristine), tar_with({"etc/ssl/": b"", "etc/ssl/certs/": b"",
                                                    BUNDLE.lstrip("/"): FOREIGN.encode()})])
    msb.ok("load", "-q", "-i", archive.write(msb.base / "image.tar"))
    msb.ok("create", "-q", "-n", "box", "--tls-intercept", "--pull", "never", "img")
    once = sh(msb, "box", f"cat {BUNDLE}")
    assert once.startswith(FOREIGN) and once.count(authority(msb)) == 1
    restart(msb)
    assert sh(msb, "box", f"cat {BUNDLE}") == once


def test_started_at_the_same_moment(msb):
    """All find one authority, which one of them has made."""
    procs = [msb.popen("run", "--tls-intercept", "./rootfs", "--", "cat", "/.msb/tls/ca.pem",
                       text=True) for _ in range(4)]
    for p in procs:
        out, err = p.communicate(timeout=2 * DEADLINE)
        assert p.returncode == 0 and out == authority(msb), err
    assert {p.name for p in (msb.home / "tls").iterdir()} == {"ca.crt", "ca.key", "ca.lock"}


def certificates(text):
    return re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", text, re.S)


@pytest.fixture
def host():
    """The host's certificates, each once."""
    for path in HOST_BUNDLES:
        if os.path.exists(path):
            return list(dict.fromkeys(certificates(pathlib.Path(path).read_text())))
    pytest.skip("this host trusts nobody")


def test_host_authorities(msb, host):
    """They come along with ours, or alone, and only those that the guest does not know yet."""
    put(msb, BUNDLE, host[0])
    p = msb.run("--trust-host-cas", "--", "sh", "-c",
                f"env; cat {BUNDLE} {SOURCES[1]}/microsandbox-host-cas.pem")
    assert "SSL_CERT_FILE" not in p.stdout, p.stderr
    found = certificates(p.stdout)
    assert len(found) == 2 * len(host) and set(found) == set(host)
    assert "\r" not in p.stdout
    p = msb.run("--trust-host-cas", "--tls-intercept", "--", "cat", BUNDLE)
    assert certificates(p.stdout) == [host[0], authority(msb), *host[1:]]


def test_update_ca_certificates(msb, host):
    """Debian's own tool makes the bundle anew, and ours is in it."""
    if not shutil.which("update-ca-certificates", path="/usr/sbin"):
        pytest.skip("no update-ca-certificates")
    shutil.rmtree(msb.rootfs)
    for name in ("usr", "etc/ssl/certs", "tmp", "root"):
        (msb.rootfs / name).mkdir(parents=True)
    for name in ("bin", "sbin", "lib", "lib64"):
        (msb.rootfs / name).symlink_to(f"usr/{name}")
    for name in ("passwd", "group", "ca-certificates.conf"):
        shutil.copy(f"/etc/{name}", msb.rootfs / "etc")
    put(msb, BUNDLE, "".join(host))
    start(msb, "-v", "/usr:/usr:ro", "--tmpfs", "/usr/local")
    own = sh(msb, "box", "update-ca-certificates 2>&1 && ls /etc/ssl/certs")
    assert "microsandbox-ca.pem" in own
    bundle = (msb.rootfs / BUNDLE.lstrip("/")).read_text()
    assert bundle.count(authority(msb)) == 1 and len(certificates(bundle)) > 10
    assert "OK" in sh(msb, "box", "openssl verify -CApath /etc/ssl/certs /.msb/tls/ca.pem")
    restart(msb)
    assert (msb.rootfs / BUNDLE.lstrip("/")).read_text() == bundle
