# SPDX-License-Identifier: Apache-2.0
"""msb self uninstall."""
import json
import os
import stat
import subprocess

import pytest

from conftest import DEADLINE, MSB
from test_tty import Terminal

BLOCK = ('# >>> microsandbox >>>\nexport PATH="$HOME/.microsandbox/bin:$PATH"\n'
         "# <<< microsandbox <<<\n")


@pytest.fixture
def person(msb):
    """Somebody with a home directory, in whose environment msb runs."""
    msb.person = msb.base / "person"
    msb.person.mkdir()
    base_env = msb.env
    msb.env = lambda **extra: base_env(**{"HOME": str(msb.person), **extra})
    return msb


def registry(home):
    """The shared memory with its metrics: the home's name, by FNV-1a."""
    h = 0xcbf29ce484222325
    for byte in str(home).encode():
        h = (h ^ byte) * 0x100000001b3 % (1 << 64)
    return f"/dev/shm/msb-met-{h:016x}-v2"


def test_everything(person):
    person.create("box")
    assert os.path.exists(registry(person.home))
    person.ok("run", "-n", "stopped", "busybox", "--", "true")
    person.ok("volume", "create", "data")
    person.ok("snapshot", "create", "-q", "--from", "stopped", "snap")
    person.ok("install", "--no-pull", "-n", "tool", "./rootfs")
    rc = {".profile": "one\n" + BLOCK + "two\n", ".bashrc": BLOCK, ".zshrc": "nothing\n"}
    for name, text in rc.items():
        (person.person / name).write_text(text)
    (person.person / ".profile").chmod(0o640)
    fish = person.person / ".config/fish/conf.d/microsandbox.fish"
    fish.parent.mkdir(parents=True)
    fish.write_text("set PATH x\n")
    dotfiles = person.base / "dotfiles"
    dotfiles.write_text("a\n" + BLOCK)
    (person.person / ".bash_profile").symlink_to(dotfiles)

    p = person("self", "uninstall", "-y")
    assert p.returncode == 0, p.stderr
    lines = p.stderr.splitlines()
    assert f"   ✓ Removed      {person.home}" in lines
    for what in "2 sandboxes", "1 volume", "1 snapshot", "1 installed command":
        assert f"   ✓ Removed      {what}" in lines, p.stderr
    assert f"   ✓ Cleaned      {person.person}/.profile" in lines
    assert any(line.startswith("done Uninstall complete.") for line in lines)
    assert f"{MSB} was not part of it, and stays" in p.stderr
    assert not person.home.exists()
    assert person.no_processes()
    assert not os.path.exists(registry(person.home))
    assert (person.person / ".profile").read_text() == "one\ntwo\n"
    assert stat.S_IMODE((person.person / ".profile").stat().st_mode) == 0o640
    assert (person.person / ".bashrc").read_text() == ""
    assert (person.person / ".zshrc").read_text() == "nothing\n"
    assert dotfiles.read_text() == "a\n" and (person.person / ".bash_profile").is_symlink()
    assert not fish.exists()
    assert not list(person.person.glob("*.tmp")) and not list(person.base.glob("*.tmp"))


def plain(msb, *words, **env):
    """Without the engine's settings, which would make a home."""
    return subprocess.run([MSB, *words], env={"PATH": os.environ["PATH"], **env},
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=msb.base,
                          timeout=DEADLINE)


def test_nothing_there(msb):
    person = msb.base / "person"
    person.mkdir()
    p = plain(msb, "self", "uninstall", HOME=str(person))
    assert (p.returncode, p.stderr) == (0, "info Nothing to uninstall.\n")
    p = plain(msb, "self", "uninstall", "-y", HOME=str(person), MSB_HOME=str(msb.base / "x"))
    assert (p.returncode, p.stderr) == (0, "info Nothing to uninstall.\n")
    assert not (person / ".microsandbox").exists() and not (msb.base / "x").exists()


def test_asks_only_on_a_terminal(person):
    person.ok("volume", "create", "data")
    p = person("self", "uninstall")
    assert p.returncode == 1
    assert p.stderr == "error: non-interactive terminal; use --yes to remove everything\n"
    assert "data" in person.ok("volume", "ls", "-q")


def test_the_person_s_files_are_safe(person):
    (person.person / "bin").mkdir()
    (person.person / "bin/own").write_text("x")
    for home in person.person, person.base, "/":
        p = plain(person, "self", "uninstall", "-y", HOME=str(person.person), MSB_HOME=str(home))
        assert p.returncode == 1 and "not a directory of msb's alone" in p.stderr
    assert (person.person / "bin/own").exists()
    person.ok("volume", "create", "data")
    (person.home / "thesis").write_text("years of work")
    p = person("self", "uninstall", "-y")
    assert p.returncode == 0 and "stays, as it holds files that are not msb's" in p.stderr
    assert [f.name for f in person.home.iterdir()] == ["thesis"]


@pytest.mark.parametrize("text", ["a\n# >>> microsandbox >>>\nb\n", BLOCK + BLOCK[:40] + "\nmine\n",
                                  "# >>> microsandbox >>>\n" + BLOCK])
def test_a_block_without_end_stops_it(person, text):
    person.ok("volume", "create", "data")
    (person.person / ".profile").write_text(BLOCK)
    (person.person / ".zshrc").write_text(text)
    p = person("self", "uninstall", "-y")
    assert p.returncode == 1 and ".zshrc' has no end" in p.stderr
    assert (person.person / ".zshrc").read_text() == text
    assert (person.person / ".profile").read_text() == BLOCK
    assert "data" in person.ok("volume", "ls", "-q")


def test_settings_that_lead_elsewhere_are_told(person):
    person.choose_engine()
    config = json.loads((person.home / "config.json").read_text())
    elsewhere = person.base / "elsewhere"
    (elsewhere / "registries").mkdir(parents=True)
    config["paths"] = {"secrets": str(elsewhere)}
    (person.home / "config.json").write_text(json.dumps(config))
    p = person("self", "uninstall", "-y")
    assert p.returncode == 0 and f"{elsewhere} (paths.secrets in config.json) stays" in p.stderr
    assert elsewhere.exists() and not person.home.exists()


def test_state_that_lies_elsewhere_goes_too(person):
    person.choose_engine()
    config = json.loads((person.home / "config.json").read_text())
    config["home"] = str(person.base / "state")
    (person.home / "config.json").write_text(json.dumps(config))
    person.ok("run", "-n", "box", "busybox", "--", "true")
    assert (person.base / "state/cache").exists()
    p = person("self", "uninstall", "-y")
    assert p.returncode == 0, p.stderr
    assert not (person.base / "state").exists() and not person.home.exists()


def choose(person, keys, answer=None):
    t = Terminal(person, "self", "uninstall")
    t.expect("What to remove")
    t.expect("Secrets")
    for key in keys:
        t.send(key)
    if answer is not None:
        t.expect(r"\[y/N\] ")
        t.send(answer)
    code = t.wait()
    return code, t


def test_choosing(person):
    person.ok("volume", "create", "data")
    person.ok("install", "--no-pull", "-n", "tool", "./rootfs")
    person.ok("run", "-n", "box", "./rootfs", "--", "echo", "hello")
    log = person.dir("box") / "logs/exec.log"
    assert "hello" in log.read_text()
    # given up, in each way
    for keys, answer in (["\x1b"], None), (["q"], None), (["\x03"], None), (["\r"], None), (
            [" ", "\r"], "n\r"):
        code, _ = choose(person, keys, answer)
        assert code == 0
        assert "data" in person.ok("volume", "ls", "-q") and person.home.exists()
    # Installs, then Logs: arrows and letters
    code, _ = choose(person, ["\x1b[B", "j", "j", "j", " ", "\x1b[B", "\x1bOB", " ", "\r"], "y\r")
    assert code == 0
    assert person.ok("install", "-l") == "" and "data" in person.ok("volume", "ls", "-q")
    assert not log.exists() and person.ok("ls", "-q") == "box\n"
    person.ok("exec", "box", "--", "true")
    # the database alone makes no sense
    code, _ = choose(person, ["k", "k", "k", " ", "\r"], "y\r")
    assert code == 1 and person.ok("ls", "-q") == "box\n"
    # sandboxes, volumes and database
    code, _ = choose(person, ["j", " ", "j", " ", "j", "j", "j", " ", "\r"], "y\r")
    assert code == 0
    assert person.home.exists() and not (person.home / "db").exists()
    assert person.ok("ls", "-q") == "" and person.ok("volume", "ls", "-q") == ""
    # All
    code, _ = choose(person, [" ", "\r"], "y\r")
    assert code == 0 and not person.home.exists()
