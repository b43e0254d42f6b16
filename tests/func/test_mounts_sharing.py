# SPDX-License-Identifier: Apache-2.0
"""One directory in several hands: locks, two sandboxes."""
import fcntl
import subprocess
import textwrap

from conftest import DEADLINE, wait_for
from mountguest import PRELUDE, guest  # noqa: F401


def test_locks_work_among_processes_of_a_guest(guest):
    guest.once("""
        put("/m/lock", "x" * 100)
        a, b = os.open("/m/lock", os.O_RDWR), os.open("/m/lock", os.O_RDWR)
        fcntl.flock(a, fcntl.LOCK_EX)
        fails(errno.EAGAIN, fcntl.flock, b, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(a, fcntl.LOCK_UN)
        fcntl.flock(b, fcntl.LOCK_SH)
        fcntl.lockf(a, fcntl.LOCK_EX, 10, 0)
        r, w = os.pipe()
        pid = os.fork()
        if pid == 0:
            fails(errno.EAGAIN, fcntl.lockf, b, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 5)
            fcntl.lockf(b, fcntl.LOCK_EX | fcntl.LOCK_NB, 10, 10)
            os.write(w, b"x")
            fcntl.lockf(b, fcntl.LOCK_EX, 10, 0)  # waits
            os._exit(0)
        os.read(r, 1)
        fcntl.lockf(a, fcntl.LOCK_UN, 10, 0)
        assert os.waitpid(pid, 0)[1] == 0
        """)


def test_two_sandboxes_share_a_directory(guest):
    """What each writes, renames and removes, the other sees; names and attributes in time."""
    guest.start("one")
    guest.start("two")
    guest.python('os.mkdir("/m/d"); put("/m/d/f", "from one"); os.chown("/m/d/f", 5, 5)', "one")
    assert guest.python('print(open("/m/d/f").read(), os.stat("/m/d/f").st_uid)',
                        "two") == "from one 5\n"
    guest.python('put("/m/d/f", "and back, longer")', "two")
    assert guest.python('print(open("/m/d/f").read())', "one") == "and back, longer\n"
    guest.python('os.rename("/m/d/f", "/m/g"); os.rmdir("/m/d")', "two")
    wait_for(lambda: guest.python('print(os.listdir("/m"), os.path.exists("/m/d/f"))',
                                  "one") == "['g'] False\n", "the change to be seen")
    script = """
        for i in range(200):
            fd = os.open("/m/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
            os.write(fd, b"NAME %05d\\n" % i)
            os.close(fd)
            put(f"/m/NAME{i}", "x" * i)
            os.rename(f"/m/NAME{i}", f"/m/latest")
        """
    both = [guest.msb.popen("exec", name, "--", "/usr/bin/python3", "-S", "-c",
                            PRELUDE + textwrap.dedent(script).replace("NAME", name), text=True)
            for name in ("one", "two")]
    for p in both:
        out, err = p.communicate(timeout=DEADLINE)
        assert p.returncode == 0, err
    lines = (guest.data / "log").read_text().splitlines()
    assert sorted(lines) == [f"{n} {i:05}" for n in ("one", "two") for i in range(200)]


def test_between_sandboxes_names_coordinate_and_locks_do_not(guest):
    (guest.data / "lock").touch()
    for name in ("one", "two"):
        guest.start(name)
    holder = guest.msb.popen("exec", "one", "--", "/usr/bin/python3", "-S", "-u", "-c", PRELUDE +
                             textwrap.dedent("""
        fd = os.open("/m/lock", os.O_RDWR)
        fcntl.flock(fd, fcntl.LOCK_EX)
        fcntl.lockf(fd, fcntl.LOCK_EX)
        print("held")
        sys.stdin.read()
        """), stdin=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    free = """
        fd = os.open("/m/lock", os.O_RDWR)
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        """
    guest.python(free, "two")
    with open(guest.data / "lock") as f:
        fcntl.flock(f, fcntl.LOCK_EX | fcntl.LOCK_NB)
    p = guest.msb("exec", "one", "--", "/usr/bin/python3", "-S", "-c",
                  PRELUDE + textwrap.dedent(free))
    assert p.returncode != 0 and "BlockingIOError" in p.stderr
    holder.communicate("")
    guest.python(free, "one")

    script = PRELUDE + textwrap.dedent("""
        won = 0
        for i in range(300):
            try:
                os.close(os.open(f"/m/{i}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                won += 1
            except FileExistsError:
                pass
        print(won)
        """)
    both = [guest.msb.popen("exec", name, "--", "/usr/bin/python3", "-S", "-c", script, text=True)
            for name in ("one", "two")]
    assert sum(int(p.communicate(timeout=DEADLINE)[0]) for p in both) == 300


def test_what_two_sandboxes_append_stays_in_pieces(guest):
    """Whatever pages the pieces cross: 5000 bytes lie in two or three."""
    script = """
        fd = os.open("/m/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
        for i in range(400):
            assert os.write(fd, b"NAME" * 5000) == 5000
        """
    procs = []
    for name in "ab":
        guest.start(name)
        procs.append(guest.msb.popen(
            "exec", name, "--", "/usr/bin/python3", "-S", "-c",
            PRELUDE + textwrap.dedent(script).replace("NAME", name), text=True))
    for p in procs:
        assert p.wait(DEADLINE) == 0, p.stderr.read()
    data = (guest.data / "log").read_bytes()
    pieces = [data[i:i + 5000] for i in range(0, len(data), 5000)]
    assert len(pieces) == 800 and all(len(set(p)) == 1 for p in pieces)
    assert guest.python("print(open('/m/log').read().count('a'))", "a") == "2000000\n"
