# SPDX-License-Identifier: Apache-2.0
"""Debian's docker-registry on a port of its own, with what tests want of it."""
import contextlib
import http.client
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time

from oci import sha256

PROGRAM = shutil.which("docker-registry")
NEEDED = ["docker-registry", "skopeo", "umoci", "openssl", "htpasswd", "zstd"]
USER, PASSWORD = "alice", "correct horse: battery"


def missing():
    """The programs these tests need and this machine has not."""
    return [name for name in NEEDED if not shutil.which(name)]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def make_ca(directory):
    """A certificate authority and a server certificate for the loopback address."""
    def openssl(*args):
        subprocess.run(["openssl", *args], cwd=directory, check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
            "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-days", "30",
            "-subj", "/CN=test authority")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
            "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=registry")
    (directory / "ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
            "-CAcreateserial", "-days", "30", "-extfile", "ext", "-out", "server.crt")


class DockerRegistry:
    def __init__(self, tls=None, auth=False):
        """tls is a directory of make_ca()."""
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="msb-registry-"))
        self.tls, self.auth = tls, auth
        self.creds = f"{USER}:{PASSWORD}" if auth else None
        try:
            for attempt in range(5):
                self.host = f"127.0.0.1:{free_port()}"
                if self.start():
                    return
            raise RuntimeError("docker-registry does not start:\n" + self.log())
        except BaseException:
            self.close()
            raise

    def config(self):
        text = (f"version: 0.1\nlog: {{level: info}}\nstorage:\n  delete: {{enabled: true}}\n"
                f"  filesystem: {{rootdirectory: {self.dir}/data}}\n"
                f"http:\n  addr: {self.host}\n")
        if self.tls:
            text += (f"  tls: {{certificate: {self.tls}/server.crt, "
                     f"key: {self.tls}/server.key}}\n")
        if self.auth:
            line = subprocess.run(["htpasswd", "-nbB", "-C", "4", USER, PASSWORD], check=True,
                                  capture_output=True).stdout
            (self.dir / "htpasswd").write_bytes(line)
            text += f"auth: {{htpasswd: {{realm: test, path: {self.dir}/htpasswd}}}}\n"
        return text

    def start(self):
        (self.dir / "config.yml").write_text(self.config())
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen([PROGRAM, "serve", self.dir / "config.yml"],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        end = time.monotonic() + 60
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError):
                socket.create_connection(self.host.split(":"), 1).close()
                return True
            time.sleep(0.02)
        return False

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def close(self):
        if hasattr(self, "process"):
            self.stop()
        shutil.rmtree(self.dir, ignore_errors=True)

    def log(self):
        return (self.dir / "log").read_text(errors="replace")

    def skopeo(self, *args):
        env = {**os.environ, "REGISTRY_AUTH_FILE": str(self.dir / "none.json")}
        return subprocess.run(["skopeo", *map(str, args)], check=True, env=env,
                              capture_output=True, text=True).stdout

    def push(self, image, name, tag="latest"):
        """Have skopeo push a layout of it, as it is; returns the reference."""
        with tempfile.TemporaryDirectory(prefix="msb-layout-") as tmp:
            return self.push_from("oci:" + image.layout(pathlib.Path(tmp) / "l"), name, tag)

    def push_from(self, source, name, tag="latest", *options):
        creds = ["--dest-creds", self.creds] if self.creds else []
        self.skopeo("copy", "--quiet", *options, "--dest-tls-verify=false", *creds, source,
                    f"docker://{self.host}/{name}:{tag}")
        return f"{self.host}/{name}:{tag}"

    def request(self, method, path, body=None, **headers):
        """(status, headers) of a request without credentials."""
        made = (http.client.HTTPSConnection(
            self.host, context=ssl._create_unverified_context(), timeout=60)
            if self.tls else http.client.HTTPConnection(self.host, timeout=60))
        with contextlib.closing(made) as c:
            c.request(method, path, body, {k.replace("_", "-"): v for k, v in headers.items()})
            answer = c.getresponse()
            answer.read()
            return answer.status, answer.headers

    def put_blob(self, name, data):
        status, headers = self.request("POST", f"/v2/{name}/blobs/uploads/")
        assert status == 202, status
        where = headers["Location"].split(self.host, 1)[-1]
        status, _ = self.request("PUT", f"{where}{'&' if '?' in where else '?'}"
                                 f"digest={sha256(data)}", data,
                                 Content_Type="application/octet-stream")
        assert status == 201, status

    def put_manifest(self, name, tag, media_type, data):
        status, _ = self.request("PUT", f"/v2/{name}/manifests/{tag}", data,
                                 Content_Type=media_type)
        assert status == 201, status

    def put(self, image, name, tag="latest"):
        """Store it without a client's ideas of what an image is; returns the reference."""
        for data in image.blobs().values():
            self.put_blob(name, data)
        self.put_manifest(name, tag, image.media_type, image.manifest)
        return f"{self.host}/{name}:{tag}"
