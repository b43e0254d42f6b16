#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Measures TLS interception against nginx and mitmproxy.

One client, one server, and between them in turns: nothing, nginx as a TLS-terminating reverse proxy,
mitmproxy, and a sandbox's network that intercepts, without and with secrets. The last one is reached through
a TAP interface of a namespace whose kernel plays the guest, so that the client is as fast as for the others;
what the stack takes for TCP is in its figures. All of it is TLS 1.3 with one cipher, everybody verifies the server, everybody
takes part in one thread. bench.py starts this.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests/net"), str(ROOT / "bench")]
import pki  # noqa: E402
import spaces  # noqa: E402

BUILD = pathlib.Path(os.environ.get("MSB_BUILD", ROOT / "build"))
NAME = "site.example"
SERVER, NGINX, MITM = 5443, 6443, 7443
GUEST, GATEWAY, MAC = "172.16.0.2/30", "172.16.0.1", "02:6d:73:00:00:02"
IFF_VNET_HDR = 0x4000
SETTLE = 0.3  # seconds at both ends of a measurement that do not count for CPU time
# name, tlsload's words, unit, at most so many times nginx's time
WORKLOADS = [
    ("1 stream, server sends", "down {a} {n} {s} 1", "MB/s", 1.3),
    ("8 streams, server sends", "down {a} {n} {s} 8", "MB/s", 1.3),
    ("1 stream, client sends", "up {a} {n} {s} 1", "MB/s", 1.3),
    ("8 streams, client sends", "up {a} {n} {s} 8", "MB/s", 1.3),
    ("full handshakes, 1 at a time", "connect {a} {n} {s} 1", "1/s", 1.5),
    ("full handshakes, 8 at a time", "connect {a} {n} {s} 8", "1/s", 1.5),
]
# One that goes into a header of each request, and one that is for others: everything is looked through.
SECRETS = {"secrets": [
    {"env_var": "KEY", "source": {"kind": "env", "var": "KEY"}, "allowed_hosts": ["any"]},
    {"env_var": "OTHER", "source": {"kind": "env", "var": "OTHER"},
     "allowed_hosts": [{"exact": "other.example"}]}]}
VALUES = [b"the value that the server gets", b"the value that it does not get"]
HEADER = "Authorization: Bearer $MSB_KEY"
PROXIES = ("ours", "secrets", "nginx", "mitmproxy")
CONF = """
daemon off; master_process off; pid {base}/nginx.pid; error_log {base}/nginx.log warn;
events {{ worker_connections 1024; multi_accept on; }}
http {{
    access_log off; client_body_temp_path {base}/1; proxy_temp_path {base}/2;
    fastcgi_temp_path {base}/3; uwsgi_temp_path {base}/4; scgi_temp_path {base}/5;
    client_max_body_size 0; keepalive_requests 1000000;
    server {{
        listen 127.0.0.1:{port} ssl; server_name {name};
        ssl_certificate {cert}; ssl_certificate_key {key}; ssl_protocols TLSv1.3;
        ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
        location / {{
            proxy_pass https://127.0.0.1:{server}; proxy_http_version 1.1;
            proxy_set_header Host $http_host; proxy_request_buffering off;
            proxy_buffers 16 64k; proxy_buffer_size 64k; proxy_busy_buffers_size 128k;
            proxy_max_temp_file_size 0; proxy_ssl_server_name on; proxy_ssl_name {name};
            proxy_ssl_verify on; proxy_ssl_trusted_certificate {ca}; proxy_ssl_protocols TLSv1.3;
        }}
    }}
}}
"""


class Parties:
    def __init__(self, args):
        for program in ("nginx", "mitmdump"):
            if not shutil.which(program):
                sys.exit(f"bench tls: {program} is not installed")
        self.args = args
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="msb-bench-tls-"))
        self.processes = {}
        self.keeper = spaces.Keeper()
        self.host = spaces.Space(self.keeper)
        self.load = self.base / "tlsload"
        subprocess.run(["gcc", "-O2", "-o", self.load, ROOT / "bench/tlsload.c", "-lssl", "-lcrypto",
                        "-lpthread"], check=True)
        authority = pki.Authority(self.base, "Bench CA")
        self.ca, self.pair = authority.cert, authority.issue("server", NAME)
        try:
            self.start()
        except BaseException:
            self.close()
            raise

    def start(self):
        self.serve("server", self.load, "serve", "127.0.0.1", SERVER, self.pair.cert, self.pair.key,
                   ready=True)
        conf = self.base / "nginx.conf"
        conf.write_text(CONF.format(base=self.base, port=NGINX, name=NAME, cert=self.pair.cert,
                                    key=self.pair.key, ca=self.ca, server=SERVER))
        self.serve("nginx", shutil.which("nginx"), "-c", conf, "-p", self.base)
        self.serve("mitmproxy", shutil.which("mitmdump"), "--mode", f"reverse:https://127.0.0.1:{SERVER}",
                   "--listen-host", "127.0.0.1", "--listen-port", MITM, "-q", "--ssl-insecure",
                   "--set", "stream_large_bodies=1", "--set", f"confdir={self.base}/mitmproxy")
        self.ways = {"direct": (self.host, "127.0.0.1", SERVER), "nginx": (self.host, "127.0.0.1", NGINX),
                     "mitmproxy": (self.host, "127.0.0.1", MITM),
                     "ours": (self.sandbox("ours", {}), GATEWAY, SERVER),
                     "secrets": (self.sandbox("secrets", SECRETS), GATEWAY, SERVER)}
        for way in self.ways:
            self.wait(way)

    def sandbox(self, name, secrets):
        """A network that intercepts; the namespace from which it is reached."""
        guest = spaces.Space(self.keeper)
        tap = guest.tun("tap", spaces.IFF_TAP | IFF_VNET_HDR)
        guest("ip", "-batch", "-", input=f"link set tap address {MAC}\nlink set tap up\n"
              f"addr add {GUEST} dev tap\nroute add default via {GATEWAY}\n")
        section = {"policy": {"default_egress": "allow"}, "secrets": secrets,
                   "tls": {"enabled": True, "intercepted_ports": [SERVER],
                           "upstream_ca_cert": [str(self.ca)]}}
        values = self.base / "values"
        values.write_bytes(b"".join(struct.pack("!I", len(v)) + v for v in VALUES))
        self.serve(name, self.args.server, tap, json.dumps(section), self.base / "ca",
                   *[values][:len(secrets)], ready=True, pass_fds=[tap])
        os.close(tap)
        return guest

    def serve(self, name, *cmd, ready=False, **kw):
        log = open(self.base / f"{name}.log", "wb")
        p = self.host.serve(*cmd, stdin=subprocess.PIPE, stdout=subprocess.PIPE if ready else log,
                            stderr=log, env={**os.environ, "HOME": str(self.base)}, **kw)
        self.processes[name] = p
        if ready and p.stdout.readline() != b"ready\n":
            sys.exit(f"{name} does not start: {(self.base / f'{name}.log').read_text()}")

    def wait(self, way):
        end = time.monotonic() + 60
        while not self.words(way, "connect {a} {n} 0.2 1".split(), check=time.monotonic() > end):
            time.sleep(0.1)

    def words(self, way, words, check=True, cpu=None):
        """What tlsload printed; with cpu, the CPU time of this process per second as well."""
        space, address, port = self.ways[way]
        words = " ".join(words).format(a=f"{address} {port}", n=NAME, s=self.args.seconds).split()
        p = space.popen(self.load, *words, HEADER, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        used = None
        if cpu:
            time.sleep(SETTLE)
            start, before = time.monotonic(), self.cpu(cpu)
            time.sleep(max(self.args.seconds - 2 * SETTLE, SETTLE))
            used = (self.cpu(cpu) - before) / (time.monotonic() - start)
        out, err = p.communicate()
        if p.returncode:
            if not check:
                return None
            log = self.base / f"{way}.log"
            sys.exit(f"{way}: {' '.join(words)}: {err}{log.read_text() if log.exists() else ''}")
        return (*out.split(), used)

    def cpu(self, name):
        """Seconds of CPU time so far."""
        tasks = pathlib.Path(f"/proc/{self.processes[name].pid}/task").iterdir()
        return sum(int((t / "schedstat").read_text().split()[0]) for t in tasks) / 1e9

    def run(self):
        """{number of workload: {way: [(rate, CPU seconds per GiB or 1000)]}}"""
        results = {}
        ways = list(self.ways)
        for turn in range(self.args.runs):
            for number in self.args.workloads:
                _, words, unit, _ = WORKLOADS[number]
                for i in range(len(ways)):
                    way = ways[(i + turn) % len(ways)]
                    _, count, amount, seconds, used = self.words(
                        way, words.split(), cpu=way if way in self.processes else None)
                    amount = int(amount) if unit == "MB/s" else int(count)
                    rate = amount / float(seconds)
                    scale = 1 << 30 if unit == "MB/s" else 1000
                    results.setdefault(number, {}).setdefault(way, []).append(
                        (rate, used * scale / rate if used and rate else 0))
        return results

    def close(self):
        for p in self.processes.values():
            p.kill()
            p.wait()
        self.keeper.close()
        shutil.rmtree(self.base, ignore_errors=True)


def show(results):
    print("# HTTPS through a proxy: median rates, CPU seconds of the proxy per GiB or per 1000")
    print(f"{'':<30}{'direct':>8}" + "".join(f"{way:>16}" for way in PROXIES) +
          "   ours: times nginx's time, CPU; with secrets")
    for number in sorted(results):
        name, _, unit, goal = WORKLOADS[number]
        by_bytes = unit == "MB/s"
        value = {way: [statistics.median(v) for v in zip(*runs)] for way, runs in results[number].items()}
        row = f"{name + ', ' + unit:<30}{value['direct'][0] / (1e6 if by_bytes else 1):>8.0f}"
        for way in PROXIES:
            rate, cpu = value[way]
            row += f"{rate / (1e6 if by_bytes else 1):>9.0f} {cpu:>6.2f}"
        # of runs of the same turn: what else the machine does changes
        ratio = {way: statistics.median(n[0] / o[0] for n, o in
                                        zip(results[number]["nginx"], results[number][way]))
                 for way in ("ours", "secrets")}
        cpu = {way: value[way][1] / value["nginx"][1] for way in ratio}
        print(f"{row}   {ratio['ours']:.2f}, {cpu['ours']:.2f} (goal: at most {goal:g}, -); "
              f"{ratio['secrets']:.2f}, {cpu['secrets']:.2f}")


def build_server(args):
    """The network behind a TAP is a program of the tests, which an ordinary build leaves out."""
    if args.server.exists():
        return
    build = ROOT / "build-test"
    if not (build / "build.ninja").exists():
        subprocess.run(["meson", "setup", build, "-Dwerror=true"], cwd=ROOT, check=True,
                       stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", build, "--quiet", "tests/msb-tlstap"], check=True)
    args.server = build / "tests/msb-tlstap"


def main():
    ap = argparse.ArgumentParser(description=__doc__,
                                 formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--runs", type=int, default=5)
    ap.add_argument("--seconds", type=float, default=2, help="of each measurement")
    ap.add_argument("--server", type=pathlib.Path, default=BUILD / "tests/msb-tlstap")
    ap.add_argument("--only", type=re.compile, default="", metavar="PATTERN",
                    help="workloads whose names match")
    args = ap.parse_args()
    args.workloads = [i for i, w in enumerate(WORKLOADS) if args.only.search(w[0])]
    if not args.workloads:
        ap.error("--only: no such workload")
    build_server(args)
    parties = Parties(args)
    try:
        show(parties.run())
    finally:
        parties.close()


if __name__ == "__main__":
    main()
