# SPDX-License-Identifier: Apache-2.0
"""A real Prometheus takes metrics from msb: over HTTP, and by node_exporter's textfile collector.

They are alone in a network namespace.
"""
import http.client
import json
import os
import re
import shutil
import signal
import sys
import urllib.parse

import pytest

from conftest import BUILD, ROOT, wait_for

sys.path.insert(0, str(ROOT / "tests/net"))
import spaces  # noqa: E402

PROGRAMS = ["prometheus", "prometheus-node-exporter", "socat", "unshare", "nsenter", "setpriv", "ip"]
PROMETHEUS, NODE, DIRECT = 9090, 9100, 9101
CONFIG = f"""
global:
  scrape_interval: 1s
  scrape_timeout: 1s
scrape_configs:
- job_name: direct
  scrape_timeout: 1s
  static_configs: [{{targets: ["127.0.0.1:{DIRECT}"]}}]
- job_name: textfile
  static_configs: [{{targets: ["127.0.0.1:{NODE}"]}}]
"""


def exporter():
    """The script that the documentation offers."""
    text = (ROOT / "docs/metrics.md").read_text()
    return re.search(r"^```sh\n(#!/bin/sh\n.*?)^```$", text, re.S | re.M).group(1)


class Monitoring:
    def __init__(self, msb):
        self.msb = msb
        self.base = msb.base / "monitoring"
        self.texts = self.base / "texts"
        self.texts.mkdir(parents=True)
        (self.base / "prometheus.yml").write_text(CONFIG)
        self.keeper = spaces.Keeper()
        self.processes = []
        self.env = msb.env(PATH=f"{BUILD}:{os.environ['PATH']}")
        try:
            self.space = spaces.Space(self.keeper)
        except BaseException:
            self.keeper.close()
            raise
        script = self.base / "msb-exporter"
        script.write_text(exporter())
        script.chmod(0o755)
        self.serve("socat", f"TCP-LISTEN:{DIRECT},bind=127.0.0.1,reuseaddr,fork", f"EXEC:{script}")
        self.serve("prometheus-node-exporter", "--collector.disable-defaults", "--collector.textfile",
                   f"--collector.textfile.directory={self.texts}",
                   f"--web.listen-address=127.0.0.1:{NODE}")
        self.serve("prometheus", f"--config.file={self.base}/prometheus.yml",
                   f"--storage.tsdb.path={self.base}/tsdb",
                   f"--web.listen-address=127.0.0.1:{PROMETHEUS}")

    def serve(self, *cmd):
        with open(self.base / f"{cmd[0]}.log", "wb") as log:
            self.processes.append(self.space.serve(*cmd, stdout=log, stderr=log, env=self.env))

    def close(self):
        for p in self.processes:
            p.kill()
            p.wait()
        self.keeper.close()

    def get(self, port, path, **words):
        """What a server in there answers, or None while it does not."""
        try:
            connection = http.client.HTTPConnection("127.0.0.1", timeout=20)
            connection.sock = self.space.open_socket()
            connection.sock.settimeout(20)
            connection.sock.connect(("127.0.0.1", port))
            connection.request("GET", path + "?" + urllib.parse.urlencode(words))
            answer = connection.getresponse()
            text = answer.read().decode()
            return text if answer.status == 200 else None
        except OSError:
            return None
        finally:
            connection.close()

    def api(self, what, **words):
        text = self.get(PROMETHEUS, "/api/v1/" + what, **words)
        return json.loads(text)["data"] if text else None

    def query(self, job, name, **labels):
        """The values of a series' instances now, by sandbox."""
        labels = ",".join(f'{k}="{v}"' for k, v in {"job": job, **labels}.items())
        data = self.api("query", query=f"{name}{{{labels}}}")
        return {r["metric"].get("sandbox", ""): float(r["value"][1])
                for r in (data["result"] if data else [])}

    def publish(self):
        """As a timer would do it for the textfile collector."""
        text = self.msb.ok("metrics", "--format", "openmetrics")
        (self.texts / "msb.new").write_text(text)
        os.rename(self.texts / "msb.new", self.texts / "msb.prom")
        return text


@pytest.fixture
def monitoring(msb):
    if not all(shutil.which(p, path=os.environ["PATH"] + ":/usr/sbin:/sbin") for p in PROGRAMS):
        pytest.skip("no Prometheus")
    try:
        m = Monitoring(msb)
    except spaces.Refused as e:
        pytest.skip(f"no network namespaces: {e}")
    yield m
    m.close()


def test_prometheus_takes_them(msb, monitoring):
    msb.create("busy", "-c", "1")
    msb.create("idle", "-m", "256M")
    loop = msb.popen("exec", "busy", "--", "sh", "-c", "while :; do :; done")
    wait_for(lambda: len(msb.json("metrics")) == 2, "samples of both")
    published = monitoring.publish()
    for job in ("direct", "textfile"):
        found = wait_for(lambda: monitoring.query(job, "msb_sandbox_memory_limit_bytes"),
                         f"Prometheus to scrape {job}")
        assert found == {"busy": 512 << 20, "idle": 256 << 20}
        assert monitoring.query(job, "msb_sandbox_state", state="running") == {"busy": 1, "idle": 1}
        assert monitoring.query(job, "up") == {"": 1}
    targets = monitoring.api("targets")["activeTargets"]
    assert {t["labels"]["job"]: (t["health"], t["lastError"]) for t in targets} == {
        "direct": ("up", ""), "textfile": ("up", "")}
    assert monitoring.query("textfile", "node_textfile_scrape_error") == {"": 0}

    # every family arrives, and Prometheus knows what it is
    known = {m["metric"]: m for m in monitoring.api("targets/metadata",
                                                    match_target='{job="direct"}')}
    families = [li.split()[2:] for li in published.splitlines() if li.startswith("# TYPE")]
    assert len(families) > 10
    for name, kind in families:
        assert known[name]["type"] == kind, name
    assert known["msb_sandbox_cpu_seconds"]["unit"] == "seconds"

    # a counter that counts
    first = monitoring.query("direct", "msb_sandbox_cpu_seconds_total")["busy"]
    wait_for(lambda: monitoring.query("direct", "msb_sandbox_cpu_seconds_total")["busy"] > first + 0.2,
             "CPU time to pass")
    loop.send_signal(signal.SIGKILL)
    loop.wait()

    # who is gone is gone, however it went
    os.kill(msb.runtime_pid("idle"), signal.SIGKILL)
    wait_for(lambda: set(monitoring.query("direct", "msb_sandbox_cpus")) == {"busy"},
             "the killed one to vanish")
    msb.ok("stop", "-q", "busy")
    wait_for(lambda: not monitoring.query("direct", "msb_sandbox_cpu_seconds_total"),
             "the stopped one to vanish")
    assert monitoring.query("direct", "up") == {"": 1}  # an empty document is one, too
