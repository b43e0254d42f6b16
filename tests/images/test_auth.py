# SPDX-License-Identifier: Apache-2.0
"""Registries behind TLS and passwords, and where the passwords come from."""
import base64
import json
import os
import stat
import urllib.parse

import pytest

import hostile
from conftest import ORDINARY
from hostile import Server
from oci import DOCKER_LIST, INDEX, Image, Tar, index, simple
from registry import PASSWORD, USER, DockerRegistry


DENIED = "msb registry login|password|credential"


@pytest.fixture(scope="module")
def private(authority):
    """docker-registry with TLS and htpasswd, and the reference of an image in it."""
    r = DockerRegistry(tls=authority, auth=True)
    yield r, r.push(simple("private"), "team/app")
    r.close()


@pytest.fixture
def trusting(msb, authority):
    msb.configure(ca_certs=str(authority / "ca.crt"))
    return msb


def write(msb, path, data, mode=0o600):
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.write_text(data if isinstance(data, str) else json.dumps(data))
    path.chmod(mode)
    if msb.account:
        for p in (path, path.parent):
            os.chown(p, ORDINARY, ORDINARY)


def docker_config(msb, data):
    write(msb, msb.outside / ".docker/config.json", data)


def encoded(user, password):
    return {"auth": base64.b64encode(f"{user}:{password}".encode()).decode()}


# -- TLS --------------------------------------------------------------------

def test_unknown_authority_is_refused(msb, private):
    registry, reference = private
    msb.refused(msb.pull(reference), "certificate")
    msb.nothing_kept()


def test_authority_by_option(msb, private, authority):
    registry, reference = private
    docker_config(msb, {"auths": {registry.host: encoded(USER, PASSWORD)}})
    msb.pulled(reference, "--ca-certs", authority / "ca.crt")


def test_authority_by_configuration(trusting, private):
    registry, reference = private
    docker_config(trusting, {"auths": {registry.host: encoded(USER, PASSWORD)}})
    trusting.pulled(reference)


@pytest.mark.parametrize("content", ["", "no certificate\n", "-----BEGIN CERTIFICATE-----\nAAAA\n"
                                     "-----END CERTIFICATE-----\n"])
def test_bad_authorities(msb, private, base, content):
    (base / "work/bad.pem").write_text(content)
    msb.refused(msb.pull(private[1], "--ca-certs", "bad.pem"), "PEM")


def test_missing_authorities(msb, private):
    msb.refused(msb.pull(private[1], "--ca-certs", "nowhere.pem"), "nowhere.pem")


def test_certificate_for_another_name(trusting, authority):
    """127.0.0.2 is the same machine, too, but not what the certificate is for."""
    with Server(tls=authority, address="127.0.0.2") as s:
        trusting.refused(trusting.pull(s.add(simple())), "certificate")
    with Server(tls=authority) as s:
        trusting.pulled(s.add(simple()))


def test_tls_without_password(trusting, authority):
    r = DockerRegistry(tls=authority)
    try:
        trusting.pulled(r.push(simple(), "open"))
    finally:
        r.close()


# -- basic authentication ---------------------------------------------------

def test_no_password(trusting, private):
    trusting.refused(trusting.pull(private[1]), DENIED)
    trusting.nothing_kept()


def test_wrong_password(trusting, private):
    registry, reference = private
    docker_config(trusting, {"auths": {registry.host: encoded(USER, "wrong")}})
    p = trusting.pull(reference)
    trusting.refused(p, DENIED)
    assert "wrong" not in p.stderr and encoded(USER, "wrong")["auth"] not in p.stderr
    trusting.nothing_kept()


def test_login_and_logout(trusting, private):
    registry, reference = private
    p = trusting("registry", "login", registry.host, "-u", USER, "--password-stdin",
                 input=PASSWORD + "\r\n")
    assert p.returncode == 0 and p.stdout == "", p.stderr
    assert "Logged in" in p.stderr and PASSWORD not in p.stderr
    trusting.pulled(reference)
    listed = trusting.ok("registry", "list").splitlines()
    assert listed[0].split() == ["REGISTRY", "USERNAME", "SOURCE"]
    assert [line.split()[:2] for line in listed[1:]] == [[registry.host, USER]]
    assert PASSWORD not in "\n".join(listed)
    holders = [f for f in trusting.home.rglob("*") if f.is_file() and
               PASSWORD.encode() in f.read_bytes()]
    assert holders and all(stat.S_IMODE(f.stat().st_mode) == 0o600 for f in holders)
    assert not any(f.name == "config.json" for f in holders)
    assert "Logged out" in trusting("registry", "logout", registry.host).stderr
    assert not [f for f in trusting.home.rglob("*") if f.is_file() and
                PASSWORD.encode() in f.read_bytes()]
    trusting.refused(trusting.pull(reference, "--force"))
    again = trusting("registry", "logout", registry.host)
    assert again.returncode == 0 and again.stderr.startswith("warn:")
    assert trusting.ok("registry", "ls") == "No registries configured.\n"


def test_login_keeps_the_rest_of_the_configuration(trusting):
    trusting.configure({"other:1": {"insecure": True}})
    before = json.loads((trusting.home / "config.json").read_text())
    assert trusting("registry", "login", "host:5000", "-u", "x", "--password-stdin",
                    input="secret").returncode == 0
    after = json.loads((trusting.home / "config.json").read_text())
    assert after["registries"]["hosts"].pop("host:5000")["auth"]["username"] == "x"
    assert after == before


def test_login_refuses_an_empty_password(msb):
    msb.refused(msb("registry", "login", "host", "-u", "x", "--password-stdin", input="\n"),
                "empty")
    assert msb("registry", "login", "host", "--password-stdin", input="x").returncode == 2


def test_registry_commands_refuse_a_damaged_configuration(msb):
    (msb.home / "config.json").write_text("{ damaged")
    p = msb("registry", "login", "h", "-u", "x", "--password-stdin", input="secret")
    assert p.returncode == 1 and (msb.home / "config.json").read_text() == "{ damaged"


def test_password_in_a_variable(trusting, private):
    registry, reference = private
    trusting.configure({registry.host: {"auth": {"username": USER, "password_env": "PW"}}})
    trusting.refused(trusting.pull(reference), "PW")
    trusting.pulled(reference, env=trusting.env(PW=PASSWORD))
    assert trusting.ok("registry", "ls").split()[-1] == "password_env"


def test_password_in_a_secret(trusting, private):
    registry, reference = private
    trusting.configure({registry.host: {"auth": {"username": USER, "secret_name": "mine"}}})
    trusting.refused(trusting.pull(reference), "mine")
    write(trusting, trusting.home / "secrets/registries/mine", PASSWORD + "\n")
    os.chmod(trusting.home / "secrets", 0o700)
    if trusting.account:
        os.chown(trusting.home / "secrets", ORDINARY, ORDINARY)
    trusting.pulled(reference)


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", "..", "", "a/b"])
def test_secret_names_stay_in_their_directory(trusting, private, name):
    registry, reference = private
    trusting.configure({registry.host: {"auth": {"username": USER, "secret_name": name}}})
    trusting.refused(trusting.pull(reference), "secret|no password")


def test_two_sources_are_an_error(trusting, private):
    registry, reference = private
    trusting.configure({registry.host: {"auth": {"username": USER, "secret_name": "a",
                                                 "password_env": "PW"}}})
    trusting.refused(trusting.pull(reference, env=trusting.env(PW=PASSWORD)))
    assert trusting.ok("registry", "ls").split()[-1] == "multiple"


# -- Docker's configuration -------------------------------------------------

@pytest.mark.parametrize("key", ["{host}", "https://{host}"])
def test_docker_config(trusting, private, key):
    registry, reference = private
    docker_config(trusting, {"auths": {"elsewhere": encoded("x", "y"),
                                       key.format(host=registry.host): encoded(USER, PASSWORD)}})
    trusting.pulled(reference)


def test_docker_config_elsewhere(trusting, private):
    registry, reference = private
    write(trusting, trusting.outside / "dc/config.json",
          {"auths": {registry.host: encoded(USER, PASSWORD)}})
    trusting.pulled(reference, env=trusting.env(DOCKER_CONFIG=str(trusting.outside / "dc")))


def test_own_configuration_comes_before_dockers(trusting, private):
    registry, reference = private
    docker_config(trusting, {"auths": {registry.host: encoded(USER, "wrong")}})
    trusting.configure({registry.host: {"auth": {"username": USER, "password_env": "PW"}}})
    trusting.pulled(reference, env=trusting.env(PW=PASSWORD))


def test_identity_tokens_are_passed_over(trusting, private):
    registry, reference = private
    docker_config(trusting, {"auths": {registry.host: {"identitytoken": "abc", **encoded(
        "<token>", "")}}})
    trusting.refused(trusting.pull(reference), DENIED)


@pytest.mark.parametrize("text", ["{", "[]", '{"auths": []}', '{"auths": {"{host}": {"auth": "%"}}}',
                                  '{"auths": {"{host}": 5}}', '{"credHelpers": {"{host}": 7}}'])
def test_odd_docker_configs_are_passed_over(msb, server, text):
    docker_config(msb, text.replace("{host}", server.host))
    msb.pulled(server.add(simple()))


def helper(msb, name, script):
    write(msb, msb.outside / f"bin/docker-credential-{name}", "#!/bin/sh\n" + script, 0o755)
    return msb.env(PATH=f"{msb.outside}/bin:{os.environ['PATH']}")


@pytest.mark.parametrize("key", ["credHelpers", "credsStore"])
def test_credential_helper(trusting, private, key):
    registry, reference = private
    docker_config(trusting, {key: "test" if key == "credsStore" else {registry.host: "test"}})
    env = helper(trusting, "test", f'read host; [ "$1 $host" = "get {registry.host}" ] || '
                 f'[ "$1 $host" = "get https://{registry.host}" ] || exit 1\n'
                 f"printf '%s' '{json.dumps({'ServerURL': '', 'Username': USER, 'Secret': PASSWORD})}'")
    trusting.pulled(reference, env=env)


@pytest.mark.parametrize("script", [
    "echo 'credentials not found in native keychain'; exit 1", "exit 0", "echo '{'", "kill -9 $$",
    "cat /dev/zero", "printf '{\"Username\": 5}'"])
def test_helper_that_fails_is_passed_over(msb, server, script):
    docker_config(msb, {"credHelpers": {server.host: "test"}})
    msb.pulled(server.add(simple()), env=helper(msb, "test", script))


@pytest.mark.parametrize("name", ["../../evil", "/bin/sh", "a b", "$(id)"])
def test_helper_names_are_not_paths(msb, server, name):
    docker_config(msb, {"credHelpers": {server.host: name}})
    msb.pulled(server.add(simple()))


# -- tokens -----------------------------------------------------------------

@pytest.mark.parametrize("key", ["token", "access_token"])
def test_anonymous_token(msb, server, key):
    server.auth = hostile.TokenAuth(key=key)
    msb.pulled(server.add(simple(), "some/thing"))
    assert all(a is None for _, a in server.auth.asked)
    query = server.auth.asked[-1][0]
    asked = urllib.parse.parse_qs(query)
    assert asked["service"] == ["test registry"]
    assert asked["scope"] == ["repository:some/thing:pull"]
    assert len(server.auth.asked) <= 2  # kept while it is valid


def test_token_for_a_password(msb, server):
    server.auth = hostile.TokenAuth({"u": "p w"})
    reference = server.add(simple())
    msb.refused(msb.pull(reference), DENIED)
    docker_config(msb, {"auths": {server.host: encoded("u", "p w")}})
    msb.pulled(reference)


def test_token_from_another_host(msb, server):
    """As the large registries do it; the password goes to the realm, the token does not leave."""
    with Server() as realm:
        server.auth = hostile.TokenAuth({"u": "p"}, realm=realm.url + "/token")
        realm.auth = server.auth
        docker_config(msb, {"auths": {server.host: encoded("u", "p")}})
        msb.pulled(server.add(simple()))
        assert realm.requests("/token") and not server.requests("/token")
        assert hostile.basic("u", "p") not in {
            r.headers.get("Authorization") for r in server.requests("/blobs/")}


def test_token_that_expires_during_a_pull(msb, server):
    image = Image(*[Tar().dir("./").file(f"f{i}", os.urandom(200_000)) for i in range(3)])
    server.auth = hostile.TokenAuth(lifetime=60)
    reference = server.add(image)

    def expire(h, data, content_type):
        hostile.honest(h, data, content_type)
        server.auth.tokens.clear()
    server.on("/blobs/", expire, times=1)
    msb.pulled(reference)
    assert len(server.auth.asked) > 1


REALMS = ["file:///etc/passwd", "ftp://127.0.0.1/", "", "not a url", "http://"]


@pytest.mark.parametrize("realm", REALMS)
def test_odd_realms(msb, server, realm):
    server.on("/v2/", hostile.status(
        401, WWW_Authenticate=f'Bearer realm="{realm}",service="x"'))
    msb.refused(msb.pull(server.add(simple())))
    msb.nothing_kept()


CHALLENGES = ["", "Bearer", "Bearer realm", 'Bearer realm="', "Basic", "Negotiate", "Digest x=y",
              'Bearer realm="http://127.0.0.1:1/' + "a" * 60_000 + '"', "Bearer \xff=\x01"]


@pytest.mark.parametrize("challenge", CHALLENGES, ids=range(len(CHALLENGES)))
def test_odd_challenges(msb, server, challenge):
    server.on("/v2/", hostile.status(401, WWW_Authenticate=challenge))
    msb.refused(msb.pull(server.add(simple())))


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"token": 5}', b'{"token": ""}',
                                  b'{"token": "a\\r\\nX-Evil: 1"}', b"x" * (32 << 20)],
                         ids=["empty", "object", "array", "number", "no text", "header", "huge"])
def test_odd_tokens(msb, server, body):
    server.auth = hostile.TokenAuth()
    server.auth.give = lambda h, query: h.body(200, body)
    msb.refused(msb.pull(server.add(simple())))
    assert not [r for r in server.requests() if "X-Evil" in r.headers]


def test_both_challenges_at_once(msb, server):
    """A registry may offer several; one that can be used is used."""
    server.auth = hostile.BasicAuth("u", "p")
    docker_config(msb, {"auths": {server.host: encoded("u", "p")}})
    def refuse(s, h, path, query):
        if h.headers.get("Authorization") == server.auth.wanted:
            return False
        hostile.status(401, WWW_Authenticate=["Negotiate", 'Basic realm="x"'])(h, b"", "")
        return True
    server.auth.refuse = refuse
    msb.pulled(server.add(simple()))


# -- names ------------------------------------------------------------------

def test_registry_by_its_name(msb, server):
    """Names are resolved inside the jail, where there are no Unix sockets."""
    reference = server.add(simple()).replace("127.0.0.1", "localhost")
    msb.plain(reference.split("/")[0])
    msb.pulled(reference)


# -- proxies ----------------------------------------------------------------

def test_proxy_from_the_environment(msb, server):
    """A mirror in front of a name that does not resolve: the proxy gets the whole URL."""
    image = simple()
    server.add(image, "mirrored")
    name = "registry.invalid:5000"
    msb.plain(name)
    seen = []

    def as_proxy(h, data, content_type):
        seen.append(h.path)
        h.path = h.path.split(name, 1)[1]
        server.heal()
        server.answer(h)
        server.on(name, as_proxy)
    server.on(name, as_proxy)
    msb.pulled(f"{name}/mirrored", env=msb.env(http_proxy=server.url))
    assert seen and all(path.startswith(f"http://{name}/v2/") for path in seen)
    msb.refused(msb.pull(f"{name}/mirrored", "--force",
                         env=msb.env(http_proxy=server.url, no_proxy="registry.invalid")))


# -- platforms --------------------------------------------------------------

@pytest.mark.parametrize("docker", [False, True])
def test_platform_is_chosen(here, registry, docker):
    """From a list of three, of which the last is an attestation."""
    name = f"platforms{int(docker)}"
    images = {arch: simple(arch, arch=arch, docker=docker) for arch in ("arm64", "amd64")}
    for image in images.values():
        registry.put(image, name, image.layers[0].digest[7:19])
    entries = [(images["arm64"], "arm64"), (images["amd64"], "amd64")]
    listing = index(*entries, docker=docker)
    registry.put_manifest(name, "latest", DOCKER_LIST if docker else INDEX, listing)
    reference = f"{registry.host}/{name}"
    here.pulled(reference)
    info = here.json("image", "inspect", reference)
    assert (info["architecture"], info["digest"]) == ("amd64", images["amd64"].digest)
