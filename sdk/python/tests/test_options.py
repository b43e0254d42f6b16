# SPDX-License-Identifier: Apache-2.0
"""Options as they go to the library, and what Python itself refuses. No sandbox takes part."""
import json
import pathlib

import microsandbox as m
import pytest
from microsandbox.exec import words
from microsandbox.options import options_json


def options(**kw):
    text, attached = options_json(kw)
    found = json.loads(text)
    assert found.pop("attached") is attached
    return found


def test_plain_ones():
    assert options(image="busybox", cpus=2, memory=256, user="nobody", env={"A": "b"}) == {
        "image": "busybox", "cpus": 2, "memory_mib": 256, "user": "nobody", "env": {"A": "b"}}


def test_detached():
    assert options_json({"detached": True}) == ('{"attached": false}', False)
    assert options_json({}) == ('{"attached": true}', True)


def test_sizes_and_times():
    assert options(memory=m.Size.gib(1), max_duration=1.2, idle_timeout=3, metrics_interval=0.5,
                   replace_with_timeout=0.25) == {
        "memory_mib": 1024, "max_duration_s": 2, "idle_timeout_s": 3, "metrics_interval_ms": 500,
        "replace_timeout_ms": 250}


@pytest.mark.parametrize("image,expected", [
    ("./root", "./root"),
    (pathlib.Path("/a/root"), "/a/root"),
    (m.Image.oci("alpine", upper_size_mib=64), {"oci": "alpine", "upper_size_mib": 64}),
    (m.Image.bind("/a/root"), {"bind": "/a/root"}),
    (m.Image.disk("/a/b.img", fstype="ext4"), {"disk": "/a/b.img", "fstype": "ext4"}),
    ({"oci": "alpine"}, {"oci": "alpine"}),
])
def test_images(image, expected):
    assert options(image=image) == {"image": expected}


def test_a_path_is_no_reference():
    assert options(image=pathlib.Path("root"))["image"] == str(pathlib.Path("root").absolute())


def test_network():
    policy = m.NetworkPolicy(rules=[
        m.Rule.allow("example.com", protocol=m.Protocol.TCP, port="8000-9000"), "deny@public",
        {"action": "allow", "destination": "10.0.0.0/8"}, *m.Rule.allow_dns()])
    network = m.Network(policy=policy, dns=m.DnsConfig(nameservers=["10.0.0.1"]),
                        tls={"bypass": ["a.example"], "intercepted_ports": [443, 8443]},
                        ports={8080: 80}, max_connections=5)
    assert options(network=network) == {"network": {
        "policy": {"default_egress": "deny", "default_ingress": "allow", "rules": [
            {"action": "allow", "direction": "egress", "destination": "example.com",
             "protocol": "tcp", "port": "8000-9000"},
            "deny@public",
            {"action": "allow", "direction": "egress", "destination": "10.0.0.0/8"},
            {"action": "allow", "direction": "egress", "destination": "dns", "protocol": "udp",
             "port": 53},
            {"action": "allow", "direction": "egress", "destination": "dns", "protocol": "tcp",
             "port": 53}]},
        "dns": {"nameservers": ["10.0.0.1"]},
        "tls": {"intercept": True, "bypass": ["a.example"], "ports": [443, 8443]},
        "ports": [{"host": 8080, "guest": 80, "protocol": "tcp"}], "max_connections": 5}}
    assert options(network=m.Network.non_local()) == {"network": {"policy": "non_local"}}
    assert options(network="none") == {"network": {"policy": "none"}}


def test_ports():
    assert options(ports=[m.PortBinding.udp(53, 5353, bind="0.0.0.0"), "127.0.0.1:1:2"]) == {
        "ports": [{"host": 53, "guest": 5353, "bind": "0.0.0.0", "protocol": "udp"},
                  "127.0.0.1:1:2"]}


def test_secrets():
    entry = m.Secret.env("KEY", value="v", allow_hosts=["a.example"],
                         allow_host_patterns=["*.b.example"],
                         on_violation=m.ViolationPolicy.passthrough(["c.example"]),
                         injection=m.SecretInjection(query_params=True))
    assert "v'" not in repr(entry)
    assert options(secrets=[entry], on_secret_violation=m.ViolationAction.BLOCK) == {
        "secrets": [{"env": "KEY", "value": "v", "hosts": ["a.example"],
                     "host_patterns": ["*.b.example"],
                     "on_violation": {"passthrough": ["c.example"]},
                     "inject": {"headers": True, "basic_auth": True, "query": True,
                                "body": False}}],
        "on_secret_violation": "block"}


def test_mounts_and_patches():
    assert options(
        volumes={"/data": m.Volume.bind("/srv", readonly=True, host_permissions="mirror"),
                 "/v": m.Volume.named("v", stat_virtualization=m.StatVirtualization.RELAXED),
                 "/t": {"tmpfs": True, "size_mib": 8}},
        patches=[m.Patch.text("/etc/x", "y", mode=0o600), m.Patch.file("/b", b"\xff"),
                 m.Patch.symlink("/etc/x", "/link", replace=True)]) == {
        "mounts": {"/data": {"bind": "/srv", "readonly": True, "host_permissions": "mirror"},
                   "/v": {"named": "v", "stat_virtualization": "relaxed"},
                   "/t": {"tmpfs": True, "size_mib": 8}},
        "patches": [{"kind": "text", "path": "/etc/x", "content": "y", "mode": 0o600},
                    {"kind": "file", "path": "/b", "content_base64": "/w=="},
                    {"kind": "symlink", "path": "/link", "target": "/etc/x", "replace": True}]}


def test_rlimits_and_init():
    assert options(rlimits=[m.Rlimit.nofile(10), m.Rlimit("core", 0, m.RLIM_INFINITY)],
                   init=m.InitConfig("/sbin/init", ["-x"])) == {
        "rlimits": [{"resource": "nofile", "soft": 10, "hard": 10},
                    {"resource": "core", "soft": 0, "hard": "unlimited"}],
        "init": {"cmd": "/sbin/init", "args": ["-x"]}}


@pytest.mark.parametrize("kw", [
    {"nonsense": 1}, {"network": {"polcy": "none"}}, {"network": {"dns": {"x": 1}}},
    {"volumes": {"/a": {"bnid": "/"}}}, {"patches": [{"kind": "text", "path": "/a", "x": 1}]},
    {"secrets": [{"name": "x"}]}, {"image": {"ocl": "x"}}, {"rlimits": [{"resource": "cpu"}]},
    {"cpus": "2"}, {"memory": 1.5}, {"env": ["A=b"]}, {"entrypoint": "sh"}, {"image": 5},
    {"ports": "80:80"}, {"network": {"policy": {"rules": "allow@any"}}}, {"max_duration": "1"},
    {"volumes": ["/a"]}, {"secrets": "x"}, {"init": 1},
])
def test_shapes_that_are_refused(kw):
    with pytest.raises(TypeError):
        options_json(kw)


def test_create_refuses_without_a_sandbox(run):
    async def create():
        await m.Sandbox.create("x", image="busybox", nonsense=1)
    with pytest.raises(TypeError, match="nonsense"):
        run(create)


def test_words():
    keywords = {"cwd": "/a", "timeout": None}
    argv, script, env, cwd, *_ = words("ls", ["-l"], keywords)
    assert (argv, script, cwd) == (["ls", "-l"], None, "/a")
    argv, _, env, cwd, *_ = words("ls", {"args": ["-a"], "cwd": "/b", "env": {"A": "1"}}, keywords)
    assert (argv, env, cwd) == (["ls", "-a"], [("A", "1")], "/b")
    for bad in ("-l", 5, {"arg": []}, [1]):
        with pytest.raises(TypeError):
            words("ls", bad, {})
    for bad in ({"timeout": -1.0}, {"stdin": "file"}):
        with pytest.raises(ValueError):
            words("ls", None, bad)


def test_every_kind_of_error_has_a_class():
    from microsandbox._library import native
    from microsandbox.errors import _BY_KIND
    assert set(native.error_kinds()) == set(_BY_KIND)
    for cls in _BY_KIND.values():
        assert issubclass(cls, m.MicrosandboxError)
        assert getattr(m, cls.__name__) is cls


def test_errors_are_copied_whole():
    import pickle
    e = m.ExecFailedError("text", detail="t", errno=2, details={"kind": "not_found"})
    e = pickle.loads(pickle.dumps(e))
    assert (type(e), e.message, e.errno, e.details, e.code) == (
        m.ExecFailedError, "text", 2, {"kind": "not_found"}, "exec-failed")


def test_all_is_there():
    for word in m.__all__:
        assert hasattr(m, word), word
