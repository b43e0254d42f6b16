# SPDX-License-Identifier: Apache-2.0
"""msb metrics: tables of every width, JSON, OpenMetrics text, and all of it again and again."""
import json
import os
import re
import signal
import subprocess
import unittest

from fakecli import DEADLINE, Base, Terminal

SAMPLED = 1779444672345  # 2026-05-22T10:11:12.345Z
MIB = 1 << 20
FULL = ["NAME", "STATE", "CPU", "MEMORY", "GUEST MEM", "DISK READ", "DISK WRITE", "NET RX", "NET TX",
        "UPTIME", "TIMESTAMP"]
KEYS = ["cpu_percent", "cpu_time_secs", "cpus", "disk_read_bytes", "disk_read_bytes_per_sec",
        "disk_write_bytes", "disk_write_bytes_per_sec", "guest_memory_bytes",
        "guest_memory_total_bytes", "interval_ms", "memory_bytes", "memory_limit_bytes", "name",
        "net_rx_bytes", "net_rx_bytes_per_sec", "net_tx_bytes", "net_tx_bytes_per_sec", "started_at",
        "state", "timestamp", "uptime_secs"]


class Metrics(Base):
    def sample(self, name, state="running", cpus=2, percent="150.25", cpu_us=90000001,
               memory=100 * MIB, limit=512 * MIB, guest=64 * MIB, total=480 * MIB,
               disk=(3 * MIB, 2048), net=(1500, 100), disk_rate=(MIB, 0), net_rate=(10, 20),
               sampled=SAMPLED, uptime=61500):
        return " ".join(map(str, [name, state, cpus, percent, cpu_us, memory, limit, guest, total,
                                  *disk, *net, *disk_rate, *net_rate, sampled, uptime])) + "\n"

    def write(self, *samples):
        home = self.base / "home"
        home.mkdir(exist_ok=True)
        (home / "metrics.new").write_text("".join(samples))
        os.rename(home / "metrics.new", home / "metrics")


class Once(Metrics):
    def test_table(self):
        self.write(self.sample("box"), self.sample("old", state="stalled", guest=0, total=0),
                   self.sample("gone", state="exited"), self.sample("off", state="disabled"))
        p = self.msb("metrics")
        self.assertEqual((p.returncode, p.stderr), (0, ""))
        header, box, old = p.stdout.splitlines()
        self.assertEqual(re.split(r" {4,}", header), FULL)
        self.assertEqual(re.split(r" {4,}", box), [
            "box", "running", "1.50 / 2c", "100.0 MiB / 512.0 MiB", "64.0 MiB",
            "3.0 MiB (1.0 MiB/s)", "2.0 KiB (0 B/s)", "1.5 KiB (10 B/s)", "100 B (20 B/s)", "1m1s",
            "2026-05-22T10:11:12.345+00:00"])
        self.assertEqual(re.split(r" {4,}", old)[:5],
                         ["old", "stalled", "1.50 / 2c", "100.0 MiB / 512.0 MiB", "-"])
        names = [li.split()[0] for li in self.ok("metrics", "--all").splitlines()[1:]]
        self.assertEqual(names, ["box", "gone", "old"])

    def test_json(self):
        self.write(self.sample("box"), self.sample("dull", guest=0, total=0, percent="nan"))
        out = self.ok("metrics", "--format", "json")
        self.assertEqual(json.dumps([self.strip(v) for v in json.loads(out)]),
                         json.dumps(json.loads(out)))
        box, dull = json.loads(out)
        self.assertEqual(list(box), KEYS)
        self.assertEqual(box, {
            "cpu_percent": 150.25, "cpu_time_secs": 90.000001, "cpus": 2,
            "disk_read_bytes": 3 * MIB, "disk_read_bytes_per_sec": MIB,
            "disk_write_bytes": 2048, "disk_write_bytes_per_sec": 0,
            "guest_memory_bytes": 64 * MIB, "guest_memory_total_bytes": 480 * MIB,
            "interval_ms": 1000, "memory_bytes": 100 * MIB, "memory_limit_bytes": 512 * MIB,
            "name": "box", "net_rx_bytes": 1500, "net_rx_bytes_per_sec": 10, "net_tx_bytes": 100,
            "net_tx_bytes_per_sec": 20, "started_at": "2026-05-22T10:10:10.845+00:00",
            "state": "running", "timestamp": "2026-05-22T10:11:12.345+00:00", "uptime_secs": 61.5})
        self.assertEqual((dull["guest_memory_bytes"], dull["guest_memory_total_bytes"],
                          dull["cpu_percent"]), (None, None, 0))
        self.ok("create", "-n", "box", "./rootfs")
        self.assertEqual(json.loads(self.ok("metrics", "box", "--format", "json")), box)

    @staticmethod
    def strip(sample):
        """With its keys sorted, which they are to be already."""
        return dict(sorted(sample.items()))

    def test_none(self):
        for args, text in (((), "No running sandboxes.\n"), (("-a",), "No sandboxes found.\n")):
            p = self.msb("metrics", *args)
            self.assertEqual((p.returncode, p.stdout, p.stderr), (0, "", text))
        for fmt, text in (("json", "[]\n"), ("openmetrics", "# EOF\n")):
            p = self.msb("metrics", "--format", fmt)
            self.assertEqual((p.returncode, p.stdout, p.stderr), (0, text, ""))

    def test_of_one(self):
        self.write(self.sample("box"), self.sample("off", state="disabled"))
        self.ok("create", "-n", "box", "./rootfs")
        self.assertEqual(len(self.ok("metrics", "box").splitlines()), 2)
        p = self.msb("metrics", "nobody")
        self.assertEqual((p.returncode, p.stdout, p.stderr),
                         (1, "", "error: sandbox not found: nobody\n"))
        self.ok("stop", "-q", "box")
        p = self.msb("metrics", "box", "--format", "openmetrics")
        self.assertEqual((p.returncode, p.stdout, p.stderr), (1, "", "error: no metrics\n"))
        p = self.msb("metrics", env=self.env(FAKE_METRICS_ERROR="1"))
        self.assertEqual((p.returncode, p.stderr), (1, "error: io error: the registry is gone\n"))

    def test_sorting(self):
        self.write(self.sample("a", percent=1, memory=3, disk_rate=(5, 0), net_rate=(0, 0), uptime=1),
                   self.sample("b", percent=2, memory=1, disk_rate=(3, 3), net_rate=(0, 0), uptime=2),
                   self.sample("c", percent=1, memory=2, disk_rate=(0, 1), net_rate=(1, 0), uptime=3))
        for key, want in (("name", "abc"), ("cpu", "bac"), ("memory", "acb"), ("disk", "bac"),
                          ("net", "cab"), ("uptime", "cba")):
            found = json.loads(self.ok("metrics", "--sort", key, "--format", "json"))
            self.assertEqual("".join(s["name"] for s in found), want, key)

    def test_labels(self):
        self.write(self.sample("alpha"), self.sample("box"), self.sample("zeta"))
        for name, label in (("alpha", "a=1"), ("box", "a=2"), ("zeta", "b=1")):
            self.ok("create", "-n", name, "--label", label, "./rootfs")
        for args, want in ((("a",), ["alpha", "box"]), (("a=2",), ["box"]), (("c",), []),
                           (("a", "-l", "a=1"), ["alpha"])):
            found = json.loads(self.ok("metrics", "--format", "json", "--label", *args))
            self.assertEqual([s["name"] for s in found], want, args)

    def test_usage(self):
        for args, text in ((("box", "--all"), "'--all' cannot be used with a name"),
                           (("box", "-l", "a"), "'--label' cannot be used with a name"),
                           (("--interval", "1s"), "'--interval' needs '--watch' too"),
                           (("-w", "--format", "openmetrics"),
                            "'--watch' cannot be used with '--format openmetrics'"),
                           (("--format", "xml"), "'xml'"), (("--sort", "size"), "'size'")):
            p = self.msb("metrics", *args)
            self.assertEqual((p.returncode, p.stdout), (2, ""))
            self.assertIn(text, p.stderr)
        for interval in ("0", "99ms", "25h", "soon"):
            p = self.msb("metrics", "-w", "--interval", interval)
            self.assertEqual((p.returncode, p.stdout), (1, ""))
            self.assertIn("--interval", p.stderr)


class OpenMetrics(Metrics):
    def parse(self, text):
        """The families of a document that keeps to the letter of the format: {series: value}."""
        self.assertTrue(text.endswith("# EOF\n"))
        series, family, seen = {}, None, set()
        for line in text[:-len("# EOF\n")].splitlines():
            word = re.match(r"# (TYPE|UNIT|HELP) (\S+) (.*)$", line)
            if word:
                what, name, rest = word.groups()
                if what == "TYPE":
                    self.assertNotIn(name, seen)  # families are not interleaved
                    self.assertIn(rest, ("gauge", "counter"))
                    seen.add(name)
                    family, kind = name, rest
                elif what == "UNIT":
                    self.assertTrue(name.endswith("_" + rest))
                self.assertEqual(name, family)
                continue
            m = re.match(r'(\w+)(\{(?:\w+="(?:[^"\\\n]|\\["\\n])*",?)+\}) ([0-9.]+)$', line)
            self.assertTrue(m, line)
            self.assertEqual(m[1], family + ("_total" if kind == "counter" else ""))
            self.assertNotIn(m[1] + m[2], series)
            series[m[1] + m[2]] = float(m[3])
        return series

    def test_values(self):
        self.write(self.sample("box"))
        got = self.parse(self.ok("metrics", "--format", "openmetrics"))
        want = {"cpus": 2, "cpu_seconds_total": 90.000001, "cpu_usage_ratio": 1.5025,
                "memory_bytes": 100 * MIB, "memory_limit_bytes": 512 * MIB,
                "guest_memory_bytes": 64 * MIB, "guest_memory_size_bytes": 480 * MIB,
                "disk_read_bytes_total": 3 * MIB, "disk_written_bytes_total": 2048,
                "network_receive_bytes_total": 1500, "network_transmit_bytes_total": 100,
                "uptime_seconds": 61.5, "start_time_seconds": SAMPLED / 1000 - 61.5,
                "sample_time_seconds": SAMPLED / 1000}
        want = {f'msb_sandbox_{k}{{sandbox="box"}}': v for k, v in want.items()}
        for state, v in (("running", 1), ("stalled", 0), ("exited", 0)):
            want[f'msb_sandbox_state{{sandbox="box",state="{state}"}}'] = v
        self.assertEqual(got, want)

    def test_what_is_not_known_is_left_out(self):
        self.write(self.sample("a", guest=0, total=0), self.sample("b", state="stalled"),
                   self.sample("c", state="exited"))
        text = self.ok("metrics", "--format", "openmetrics")
        self.assertNotIn('"c"', text)
        got = self.parse(self.ok("metrics", "--format", "openmetrics", "--all"))
        having = {}
        for key in got:
            name, box = re.match(r'msb_sandbox_(\w+)\{sandbox="(.)"', key).groups()
            having.setdefault(name, "")
            having[name] += box
        self.assertEqual(having, {
            "state": "aaabbbccc", "cpus": "ab", "cpu_seconds_total": "abc", "cpu_usage_ratio": "a",
            "memory_bytes": "ab", "memory_limit_bytes": "ab", "guest_memory_bytes": "b",
            "guest_memory_size_bytes": "b", "disk_read_bytes_total": "abc",
            "disk_written_bytes_total": "abc", "network_receive_bytes_total": "abc",
            "network_transmit_bytes_total": "abc", "uptime_seconds": "ab",
            "start_time_seconds": "abc", "sample_time_seconds": "abc"})

    def test_names_are_escaped(self):
        self.write(self.sample('a"b\\c~d'))
        got = self.parse(self.ok("metrics", "--format", "openmetrics"))
        self.assertIn('msb_sandbox_cpus{sandbox="a\\"b\\\\c\\nd"}', got)


class Watch(Metrics):
    def test_lines_of_json_tell_each_sample_once(self):
        self.write(self.sample("a"), self.sample("b"))
        p = self.popen("metrics", "--follow", "--format", "json", "--interval", "100ms")
        first = [p.stdout.readline() for _ in range(2)]
        self.assertEqual(first[0], first[0].strip() + b"\n")
        self.assertEqual([json.loads(li)["name"] for li in first], ["a", "b"])
        self.assertEqual(list(json.loads(first[0])), KEYS)
        self.write(self.sample("a", sampled=SAMPLED + 1), self.sample("b"))
        self.assertEqual(json.loads(p.stdout.readline())["timestamp"],
                         "2026-05-22T10:11:12.346+00:00")
        self.write(self.sample("a", sampled=SAMPLED + 1), self.sample("b", state="stalled"))
        line = json.loads(p.stdout.readline())
        self.assertEqual((line["name"], line["state"]), ("b", "stalled"))
        p.send_signal(signal.SIGINT)
        self.assertEqual(p.wait(DEADLINE), -signal.SIGINT)
        self.assertEqual(p.stdout.read(), b"")

    def test_tables_below_each_other_hold_no_escapes(self):
        self.write(self.sample("a"))
        p = self.popen("metrics", "-w", "--interval", "100ms", env=self.env(CLICOLOR="1"))
        for _ in range(2):
            self.assertEqual(p.stdout.readline().split()[0], b"NAME")
            row = p.stdout.readline()
            self.assertEqual((row.split()[0], b"\033" in row), (b"a", False))
            self.assertEqual(p.stdout.readline(), b"\n")

    def test_it_ends_with_the_sandbox(self):
        self.write(self.sample("box"))
        self.ok("create", "-n", "box", "./rootfs")
        p = self.popen("metrics", "box", "-w", "--format", "json", "--interval", "100ms")
        self.assertEqual(json.loads(p.stdout.readline())["name"], "box")
        self.ok("stop", "-q", "box")
        self.assertEqual(p.wait(DEADLINE), 0)
        self.assertEqual((p.stdout.read(), p.stderr.read()), (b"", b""))
        p = self.msb("metrics", "box", "-w")
        self.assertEqual((p.returncode, p.stderr), (1, "error: no metrics\n"))
        p = self.msb("metrics", "nobody", "-w")
        self.assertEqual((p.returncode, p.stderr), (1, "error: sandbox not found: nobody\n"))

    def test_it_waits_for_the_first_sample(self):
        self.ok("create", "-n", "box", "./rootfs")
        self.write()
        p = self.popen("metrics", "box", "-w", "--format", "json", "--interval", "100ms")
        self.assertRaises(subprocess.TimeoutExpired, p.wait, 0.3)
        self.write(self.sample("box"))
        self.assertEqual(json.loads(p.stdout.readline())["name"], "box")

    def test_a_reader_that_went_away_ends_it(self):
        self.write(self.sample("a"))
        p = self.popen("metrics", "-w", "--interval", "100ms")
        p.stdout.readline()
        p.stdout.close()
        self.assertEqual(p.wait(DEADLINE), 1)
        self.assertEqual(p.stderr.read(), b"")

    def test_in_place_on_a_terminal(self):
        self.write(self.sample("first"))
        t = Terminal(self, "metrics", "-w", "--interval", "100ms", cols=250)
        t.expect(r"\x1b\[\?1049h")
        t.expect(r"\x1b\[HNAME|\x1b\[H\x1b\[1;36mNAME")
        t.expect(r"first")
        self.write(self.sample("second"))
        t.expect(r"second")
        self.write()
        t.expect(r"No running sandboxes\.\x1b\[K")
        self.write(self.sample("third"))
        t.expect(r"third")
        t.send(b"\x03")
        self.assertEqual(t.wait(), -signal.SIGINT)
        self.assertRegex(t.text, r"(?s)\x1b\[\?1049l.*NAME.*third")  # the last one stays
        self.assertTrue(t.restored)

    def test_an_error_is_told_where_it_is_seen(self):
        t = Terminal(self, "metrics", "-w", cols=250, FAKE_METRICS_ERROR="1")
        self.assertEqual(t.wait(), 1)
        self.assertRegex(t.text, r"(?s)\x1b\[\?1049l.*error:.*the registry is gone")

    def test_more_than_a_window_has_lines_for(self):
        self.write(*(self.sample(f"box{i:02}") for i in range(30)))
        t = Terminal(self, "metrics", "-w", rows=10, cols=250)
        t.expect(r"box07")
        t.expect(r"\.\.\. and 22 more\x1b\[K\x1b\[J")
        self.assertNotIn("box08", t.text)
        t.resize(12, 250)
        os.kill(t.pid, signal.SIGWINCH)
        t.expect(r"\.\.\. and 20 more")

    def test_suspended_and_continued(self):
        self.write(self.sample("box"))
        t = Terminal(self, "metrics", "-w", "--interval", "100ms", cols=250)
        t.expect("box")
        os.kill(t.pid, signal.SIGTSTP)
        t.expect(r"\x1b\[\?1049l")
        self.assertTrue(os.WIFSTOPPED(os.waitpid(t.pid, os.WUNTRACED)[1]))
        os.kill(t.pid, signal.SIGCONT)
        t.expect(r"\x1b\[\?1049h")
        t.expect("box")


class Width(Metrics):
    def columns(self, cols, *samples):
        self.write(*samples)
        t = Terminal(self, "metrics", cols=cols, NO_COLOR="1")
        self.assertEqual(t.wait(), 0)
        lines = t.text.splitlines()
        return re.split(r" {4,}", lines[0]), lines

    def test_what_there_is_no_room_for_is_left_out(self):
        box = self.sample("box")
        self.assertEqual(self.columns(250, box)[0], FULL)
        self.assertEqual(self.columns(170, box)[0], FULL[:-1])
        self.assertEqual(self.columns(140, box)[0],
                         ["NAME", "STATE", "CPU", "MEMORY", "DISK READ", "DISK WRITE", "NET RX",
                          "NET TX", "UPTIME"])
        self.assertEqual(self.columns(100, box)[0],
                         ["NAME", "CPU", "MEMORY", "DISK READ", "DISK WRITE", "NET RX", "NET TX"])
        self.assertEqual(self.columns(80, box)[0], ["NAME", "CPU", "MEMORY", "DISK", "NET"])
        self.assertEqual(self.columns(50, box)[0], ["NAME", "CPU", "MEMORY"])

    def test_lines_fit(self):
        samples = [self.sample("n" * 60), self.sample("日本語" * 10), self.sample("s", state="stalled")]
        for cols in (30, 50, 70, 100, 200):
            header, lines = self.columns(cols, *samples)
            self.assertTrue(all(len(li) <= cols for li in lines), lines)
        self.assertRegex(self.columns(80, *samples)[1][2], r"^s +stalled ")


if __name__ == "__main__":
    unittest.main()
