# SPDX-License-Identifier: Apache-2.0
"""Options of the network and of secrets, and what they become."""
import json
import unittest

from fakecli import Base


class Network(Base):
    """Spec 10.2 as far as it is the command line's: flags to calls of the library."""
    POLICY = ("set_net_default", "add_net_rules", "add_net_profiles", "add_port",
              "set_dns_", "add_dns_", "set_net_", "set_max_connections", "set_tls_", "add_tls_",
              "set_trust_host_cas", "add_secret", "set_secret_")

    def made(self, *flags):
        """The calls about the network that these flags come to."""
        before = len(self.calls())
        self.ok("create", "-q", "-n", f"n{before}", *flags, "./rootfs")
        return [c for c in self.calls()[before:] if c.startswith(self.POLICY)]

    def test_policies(self):
        for flags, calls in (
                ([], []),
                (["--net-default", "deny"], ["set_net_default 3 deny"]),
                (["--net-default=allow"], ["set_net_default 3 allow"]),
                (["--no-net"], ["set_net_default 3 deny"]),
                (["--no-net", "--net-rule", "allow@example.com"],
                 ["set_net_default 3 deny", "add_net_rules allow@example.com"]),
                (["--net-default-egress", "allow", "--net-default-ingress", "deny"],
                 ["set_net_default 1 allow", "set_net_default 2 deny"]),
                (["--net-rule", "a,b", "--net-default-ingress", "deny", "--net-rule", "c"],
                 ["set_net_default 2 deny", "add_net_rules a,b", "add_net_rules c"]),
                (["--net", "host,private", "--net-rule", "r", "--net", "public"],
                 ["add_net_rules r", "add_net_profiles host,private",
                  "add_net_profiles public"])):
            self.assertEqual(self.made(*flags), calls)

    def test_everything_else(self):
        self.assertEqual(
            self.made("-p", "80:80", "--port", "[::1]:53:53/udp", "--dns-nameserver", "1.1.1.1",
                      "--dns-nameserver", "[::1]:5353", "--no-dns-rebind-protection",
                      "--dns-query-timeout-ms", "100", "--net-ipv4-pool", "10.0.0.0/8",
                      "--net-ipv6-pool", "fd00::/48", "--max-connections", "2"),
            ["add_port 80:80", "add_port [::1]:53:53/udp", "add_dns_nameserver 1.1.1.1",
             "add_dns_nameserver [::1]:5353", "set_dns_timeout_ms 100",
             "set_net_ipv4_pool 10.0.0.0/8", "set_net_ipv6_pool fd00::/48",
             "set_max_connections 2", "set_dns_rebind_protection 0"])

    def test_tls(self):
        self.assertEqual(self.made("--tls-intercept"), ["set_tls_intercept"])
        self.assertEqual(
            self.made("--tls-intercept-port", "8443", "--tls-intercept-port=443", "--tls-bypass",
                      "*.bank.example", "--no-block-quic", "--tls-intercept-ca-cert", "c.pem",
                      "--tls-intercept-ca-key", "k.pem", "--tls-upstream-ca-cert", "a",
                      "--tls-upstream-ca-cert", "b", "--tls-upstream-ca-cert-for", "*.x=d=e",
                      "--tls-no-verify-upstream-for", "old.example", "--trust-host-cas"),
            ["set_trust_host_cas 1", "set_tls_block_quic 0", "set_tls_ca c.pem k.pem",
             "add_tls_port 8443", "add_tls_port 443", "add_tls_bypass *.bank.example",
             "add_tls_upstream_ca - a", "add_tls_upstream_ca - b", "add_tls_upstream_ca *.x d=e",
             "set_tls_verify_upstream old.example 0"])
        self.assertEqual(self.made("--tls-intercept-ca-cert", "c"), ["set_tls_ca c -"])
        for port in ("0", "65536", "https", ""):
            p = self.msb("create", "--tls-intercept-port", port, "./rootfs")
            self.assertEqual(p.returncode, 1)
            self.assertIn(f"invalid value '{port}' for '--tls-intercept-port", p.stderr)
        for value in ("a", "=f", "a="):
            p = self.msb("create", "--tls-upstream-ca-cert-for", value, "./rootfs")
            self.assertIn("must be in format HOST=FILE", p.stderr)
        p = self.msb("run", "--tls-bypass", "bad", "./rootfs")
        self.assertEqual((p.returncode, p.stderr),
                         (125, "error: invalid config: bad add_tls_bypass\n"))

    def test_secrets(self):
        self.assertEqual(
            self.made("--secret", "A=v=1@x@api.example", "--secret", "B@b.example,*.c.example",
                      "--secret-file", "C=./d@e/f@*", "--secret-inject", "B=body,query",
                      "--secret-inject", "B=headers", "--secret-inject", "C=basic",
                      "--on-secret-violation", "block"),
            ["set_secret_violation block []",
             "add_secret A value=v=1@x env=- file=- api.example places=0",
             "add_secret B value=- env=B file=- b.example,*.c.example places=13",
             "add_secret C value=- env=- file=./d@e/f * places=2"])
        self.assertEqual(self.made("--on-secret-violation", "passthrough"),
                         ["set_secret_violation passthrough [*]"])
        p = self.msb("create", "-n", "warned", "--secret", "A=v@h", "./rootfs")
        self.assertEqual(p.returncode, 0)
        self.assertIn("warn: the value of secret A can be seen in the list of processes", p.stderr)

    def test_wrong_secrets(self):
        """What is wrong is told without what may be a value."""
        both = "secret must be in format ENV=VALUE@HOST or ENV@HOST[,HOST...]"
        file = "secret-file must be in format ENV=PATH@HOST[,HOST...]"
        empty = " (all parts required)"
        for flag, value, message in (
                ("--secret", "A=hunter2", both), ("--secret", "A", both),
                ("--secret", "hunter2@x=y", both), ("--secret", "=hunter2@h", both + empty),
                ("--secret", "A=@h", both + empty), ("--secret", "A=hunter2@", both + empty),
                ("--secret", "@h", both + empty), ("--secret", "A@", both + empty),
                ("--secret", "A=hunter2@h,", both + empty), ("--secret", "A@,h", both + empty),
                ("--secret-file", "A@h", file), ("--secret-file", "A=f", file),
                ("--secret-file", "A=@h", file + empty)):
            p = self.msb("create", flag, value, "./rootfs")
            self.assertEqual((p.returncode, p.stderr), (1, f"error: {message}\n"), value)
        for inject, message in (
                ("A", "secret-inject must be in format ENV=PLACE[,PLACE...]"),
                ("A=", "secret-inject must be in format ENV=PLACE[,PLACE...]"),
                ("A=path", "invalid place of a secret: path (expected: headers, basic, query, body)"),
                ("A=body,", "invalid place of a secret:  (expected: headers, basic, query, body)"),
                ("B=body", "--secret-inject: there is no secret 'B'")):
            p = self.msb("create", "--secret", "A@h", "--secret-inject", inject, "./rootfs")
            self.assertEqual((p.returncode, p.stderr), (1, f"error: {message}\n"), inject)

    def test_a_value_leaves_the_command_line(self):
        """While the library works nobody reads the value in the list of processes."""
        for command in (["create"], ["run"]):  # the second one finds it there
            p = self.msb(*command, "-n", "hidden", "--secret", "A=hunter2@h", "./rootfs",
                         env=self.env(FAKE_CMDLINE=str(self.base / "cmdline")))
            self.assertEqual(p.returncode, 0, p.stderr)
            words = (self.base / "cmdline").read_bytes()
            self.assertNotIn(b"hunter2", words)
            self.assertIn(b"\0A=@h\0", words)
            self.assertIn(b"./rootfs", words)

    def test_exclusions_are_wrong_usage(self):
        for flags in (["--no-net", "--net-default", "allow"],
                      ["--no-net", "--net-default-egress", "allow"],
                      ["--net-default", "deny", "--net-default-egress", "allow"],
                      ["--net-default", "deny", "--net-default-ingress", "allow"],
                      ["--net", "public", "--no-net"],
                      ["--net", "public", "--net-default", "deny"]):
            for command in (["run", *flags, "./rootfs"], ["create", *flags, "./rootfs"],
                            ["net", "explain", *flags, "1.2.3.4"]):
                p = self.msb(*command)
                self.assertEqual(p.returncode, 2, command)
                self.assertIn("cannot be used with '--", p.stderr)
        self.assertEqual(self.calls(), [])

    def test_bad_values(self):
        for flag in ("--net-default", "--net-default-egress", "--net-default-ingress"):
            p = self.msb("create", flag, "maybe", "./rootfs")
            self.assertEqual((p.returncode, p.stderr), (
                1, f'error: unknown {flag} value "maybe"; expected `allow` or `deny`\n'))
        for flag in ("--net-rule", "--net", "-p", "--dns-nameserver", "--net-ipv4-pool",
                     "--net-ipv6-pool"):
            p = self.msb("run", flag, "bad", "./rootfs")
            self.assertEqual(p.returncode, 125)
            self.assertIn("error: invalid config: bad ", p.stderr)
        self.assertEqual(self.msb("run", "--max-connections", "x", "./rootfs").returncode, 2)

    def test_hints_and_reuse(self):
        p = self.msb("create", "-n", "box", "./rootfs", env=self.env(FAKE_HINT="mind this"))
        self.assertEqual((p.returncode, p.stderr.splitlines()[0]), (0, "warn: mind this"))
        for flags in (["-p", "1:1"], ["--no-net"], ["--net-ipv4-pool", "10.0.0.0/8"]):
            p = self.msb("run", "-n", "box", *flags, "./rootfs", "--", "true")
            self.assertIn("creation flags ignored", p.stderr)

    def test_explain(self):
        text = ("allowed  dns a.b  rule 1 (r)\n"
                "denied   tcp [::1]:1-79  default egress  (mind this)\n"
                "allowed  udp 1.2.3.4  default egress\nallowed  tcp a.b:80  rule 2 (s)\n")
        self.assertEqual(self.ok("net", "explain", "allow@a", "deny@b,allow@c", "x:80"), text)
        self.assertEqual(self.calls(), ["add_net_rules allow@a", "add_net_rules deny@b,allow@c",
                                        "explain config x:80 - - 0"])
        self.assertEqual(self.ok("net", "explain", "1.2.3.4"), text.replace("denied ", "allowed"))
        self.ok("net", "explain", "--net", "host", "--net-rule", "r", "--proto", "udp",
                "--ingress", "--address", "10.0.0.1", "q", "name")
        self.assertEqual(self.calls()[-4:], ["add_net_rules r", "add_net_profiles host",
                                             "add_net_rules q", "explain config name udp 10.0.0.1 1"])
        one = json.loads(self.ok("net", "explain", "--format", "json", "x"))
        self.assertEqual((one["allowed"], len(one["answers"])), (False, 4))
        self.ok("create", "-n", "box", "./rootfs")
        self.ok("net", "explain", "--sandbox", "box", "1.2.3.4")
        self.assertEqual(self.calls()[-1], "explain box 1.2.3.4 - - 0")

    def test_explain_failures(self):
        self.assertEqual(self.msb("net", "explain", "--check", "x").returncode, 1)
        self.ok("net", "explain", "--check", "y")
        for code, text, args in (
                (1, "bad target", ["bad"]), (1, "bad add_net_rules", ["bad", "x"]),
                (1, "sandbox not found: none", ["--sandbox", "none", "x"]),
                (2, "has its own rules", ["--sandbox", "none", "r", "x"]),
                (2, "has its own rules", ["--sandbox", "none", "--no-net", "x"]),
                (2, "<TARGET> is missing", []), (2, "'sctp'", ["--proto", "sctp", "x"])):
            p = self.msb("net", "explain", *args)
            self.assertEqual((p.returncode, p.stdout), (code, ""))
            self.assertIn(text, p.stderr)


if __name__ == "__main__":
    unittest.main()
