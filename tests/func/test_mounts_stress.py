# SPDX-License-Identifier: Apache-2.0
"""Programs that are hard on file systems, on a shared directory. MSB_TEST_STRESS=SECONDS for more."""
import os
import shutil
import sqlite3
import subprocess
import textwrap

import pytest

from conftest import DEADLINE
from mountguest import PRELUDE, guest  # noqa: F401

SECONDS = int(os.environ.get("MSB_TEST_STRESS", "4"))
pytestmark = pytest.mark.slow
STRESSORS = {
    "attributes": "access chmod chown utime touch fstat xattr inode-flags chattr file-ioctl filename",
    "names": "link symlink rename mknod dentry dir dirdeep dirmany chdir getdent open handle",
    "contents": "hdd iomix seek sync-file fallocate fpunch readahead copy-file sendfile splice aio",
    "locks": "flock fcntl locka lockf lockofd lease inotify",
}
SIZES = {"hdd": "4M", "iomix": "4M", "sync-file": "4M", "fallocate": "8M", "readahead": "4M",
         "seek": "2M"}


def need(*programs):
    for program in programs:
        if not shutil.which(program, path="/usr/bin"):
            pytest.skip(f"no /usr/bin/{program}")


def shell(guest, script, name="box"):
    p = guest.msb("exec", name, "--", "/bin/bash", "-c", "set -euo pipefail\n" +
                  textwrap.dedent(script), timeout=DEADLINE + 10 * SECONDS)
    assert p.returncode == 0, f"{p.stdout[-4000:]}\n{p.stderr[-4000:]}"
    return p.stdout


@pytest.mark.parametrize("group", STRESSORS)
def test_stressors(guest, group):
    need("stress-ng")
    words = ["--temp-path", "/m", "--timeout", str(SECONDS), "--verify"]
    for name in STRESSORS[group].split():
        words += [f"--{name}", "1"]
        if name in SIZES:
            option = "size" if name == "seek" else "bytes"
            words += [f"--{name}-{option}", SIZES[name]]
    guest.start("box", "-m", "1G")
    out = shell(guest, f"stress-ng {' '.join(words)} 2>&1")
    assert "successful run completed" in out and "unsuccessful" not in out, out
    assert os.listdir(guest.data) == []


def test_git(guest):
    need("git")
    source = guest.data / "source"
    env = {**os.environ, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_AUTHOR_NAME": "t",
           "GIT_AUTHOR_EMAIL": "t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t"}
    for i in range(400):
        path = source / f"d{i % 20}" / f"f{i}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"line {i}\n" * i)
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "one"]):
        subprocess.run(["git", "-C", source, *words], env=env, check=True)
    guest.start("box", "-m", "1G")
    shell(guest, """
        export HOME=/root GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t
        git config --global --add safe.directory '*'
        cd /m
        git clone -q --no-local source clone
        cd clone
        test -z "$(git status --porcelain)"
        for i in 1 2 3; do
            echo change $i >> d1/f1; rm d2/f2; git mv d3/f3 d3/m$i; git commit -qam "change $i"
            git checkout -q HEAD -- . ; echo again >> d2/f22; git stash -q; git stash pop -q
            git checkout -q d2/f22; git revert --no-edit HEAD >/dev/null
        done
        git gc -q
        git fsck --full --strict
        test -z "$(git status --porcelain)"
        git -C ../source pull -q ../clone HEAD
        """)
    subprocess.run(["git", "-C", guest.data / "clone", "fsck", "--full", "--strict"],
                   env={**env, "GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory",
                        "GIT_CONFIG_VALUE_0": "*"}, check=True)


def test_tar_and_rsync_bring_everything_back(guest):
    need("tar", "rsync")
    guest.start("box", "-m", "1G")
    guest.python("""
        os.makedirs("/src/d/empty")
        for i in range(200):
            put(f"/src/d/f{i}", "x" * i * 37)
            os.chmod(f"/src/d/f{i}", (i * 8 + 1) & 0o7777)
            os.chown(f"/src/d/f{i}", i, 65536 + i)
            os.utime(f"/src/d/f{i}", ns=(i * 10**9 + 1, i * 10**9 + 123456789))
            os.setxattr(f"/src/d/f{i}", "user.number", str(i).encode())
        for i in range(20):
            os.link(f"/src/d/f{i}", f"/src/hard{i}")
            os.symlink("d/" * i + "x", f"/src/soft{i}")
        os.mkfifo("/src/fifo")
        os.mknod("/src/chr", stat.S_IFCHR | 0o640, os.makedev(1, 7))
        os.mknod("/src/blk", stat.S_IFBLK | 0o600, os.makedev(250, 300000))
        fd = os.open("/src/sparse", os.O_CREAT | os.O_WRONLY)
        os.pwrite(fd, b"end", 5 << 20)
        os.chmod("/src/d", 0o3751)
        put(b"/src/\\xff\\xfe name\\n", "odd")
        # rsync leaves a time alone that is right to the second
        for name in [b"d/empty", *os.listdir(b"/src")]:
            if not name.startswith(b"hard"):
                os.utime(b"/src/" + name, ns=(10**18, 10**18), follow_symlinks=False)
        """)
    shell(guest, r"""
        mkdir /m/tar /m/rsync /m/again
        tar --xattrs -C /src -cf /m/a.tar .
        tar --xattrs -C /m/tar -xpf /m/a.tar
        rsync -aHAXS --numeric-ids /src/ /m/rsync/
        rsync -aHAX --numeric-ids /m/tar/ /m/again/
        for copy in tar rsync again; do
            rsync -aHX --numeric-ids --checksum --delete -ni /src/ /m/$copy/ | grep -v '^\.d..t' > /diff || true
            test ! -s /diff || { echo $copy; cat /diff; exit 1; }
            tar --xattrs --sort=name -C /m/$copy -cf - . | tar -tvf - --full-time > /list.$copy
        done
        diff /list.tar /list.rsync
        test $(stat -c %b /m/rsync/sparse) -lt 1000
        rm -rf /m/tar /m/rsync /m/again /m/a.tar
        """)
    assert os.listdir(guest.data) == []


TORTURE = """
    import random, sqlite3, sys, time
    path, worker, end = sys.argv[1], int(sys.argv[2]), time.monotonic() + float(sys.argv[3])
    random.seed(worker)
    db = sqlite3.connect(path, timeout=60, isolation_level=None)
    done = 0
    while time.monotonic() < end or done < 5:
        db.execute(random.choice(["begin", "begin immediate", "begin exclusive"]))
        try:
            # a transfer keeps the sum; a reader that sees a half-done one would not
            a, b, n = random.randrange(50), random.randrange(50), random.randrange(100)
            total = db.execute("select sum(amount) from account").fetchone()[0]
            assert total == 50000, total
            db.execute("update account set amount = amount - ? where id = ?", (n, a))
            db.execute("update account set amount = amount + ? where id = ?", (n, b))
            db.execute("insert into log values (?, ?, ?)", (worker, done, "x" * random.randrange(3000)))
            if random.random() < 0.2:
                db.execute("rollback")
                continue
            db.execute("commit")
            done += 1
        except sqlite3.OperationalError as e:
            assert "locked" in str(e), e
            if db.in_transaction:
                db.execute("rollback")
    print(done)
"""


@pytest.mark.parametrize("journal", ["delete", "persist", "wal"])
def test_sqlite(guest, journal):
    """Processes of one guest that fight for a database: nothing is lost or seen half-done."""
    db = sqlite3.connect(guest.data / "db")
    db.execute(f"pragma journal_mode={journal}")
    db.execute("create table account (id integer primary key, amount)")
    db.execute("create table log (worker, number, filler)")
    db.executemany("insert into account values (?, 1000)", [(i,) for i in range(50)])
    db.commit()
    db.close()
    guest.start("box", "-m", "1G")
    (guest.data / "torture.py").write_text(textwrap.dedent(TORTURE))
    out = shell(guest, f"""
        for i in 1 2 3 4; do
            python3 -S /m/torture.py /m/db $i {SECONDS} > /out.$i & pids="${{pids-}} $!"
        done
        for p in $pids; do wait $p; done
        cat /out.*
        """)
    guest.msb.ok("stop", "box")
    db = sqlite3.connect(guest.data / "db")
    assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
    assert db.execute("select sum(amount) from account").fetchone() == (50000,)
    counts = [n for (n,) in db.execute("select count(*) from log group by worker order by worker")]
    assert counts == [int(n) for n in out.split()]
    db.close()


def test_two_guests_on_one_directory(guest):
    """Both work in the same tree; the host is right about the outcome, and so are both."""
    script = """
        import random, time
        me, end = "NAME", time.monotonic() + SECONDS
        random.seed(me)
        mine = {}
        while time.monotonic() < end:
            i = random.randrange(60)
            path = f"/m/d{i % 5}/{me}{i}"
            what = random.randrange(5)
            try:
                os.makedirs(f"/m/d{i % 5}", exist_ok=True)
                if what < 2:
                    put(path, str(i) * random.randrange(5000))
                    mine[path] = os.stat(path).st_size
                elif what == 2 and path in mine:
                    os.unlink(path)
                    del mine[path]
                elif what == 3 and path in mine:
                    os.rename(path, path + "x")
                    os.rename(path + "x", path)
                elif path in mine:
                    assert len(open(path).read()) == mine[path]
                fd = os.open("/m/log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o644)
                os.write(fd, (me + "\\n").encode() * 3)
                os.close(fd)
                for d in os.listdir("/m"):
                    if d[0] == "d":
                        os.listdir("/m/" + d)
            except FileNotFoundError:
                assert False, path
        print(len(mine), sum(mine.values()))
        """
    procs = {}
    for name in ("one", "two"):
        guest.start(name)
        text = PRELUDE + textwrap.dedent(script).replace("NAME", name).replace(
            "SECONDS", str(SECONDS))
        procs[name] = guest.msb.popen("exec", name, "--", "/usr/bin/python3", "-S", "-c", text,
                                      text=True)
    for name, p in procs.items():
        out, err = p.communicate(timeout=DEADLINE + SECONDS)
        assert p.returncode == 0, err
        files = [f for d in guest.data.glob("d?") for f in d.iterdir() if f.name.startswith(name)]
        assert out.split() == [str(len(files)), str(sum(f.stat().st_size for f in files))]
    lines = (guest.data / "log").read_text().splitlines()
    assert set(lines) == {"one", "two"}
    assert all(len(set(lines[i:i + 3])) == 1 for i in range(0, len(lines), 3))


def test_what_was_synced_survives_a_cut(guest):
    """The runtime is killed while the guest writes: what fsync acknowledged is there, whole."""
    guest.start("box")
    p = guest.msb.popen("exec", "box", "--", "/usr/bin/python3", "-S", "-u", "-c",
                        PRELUDE + textwrap.dedent("""
        for i in range(100000):
            fd = os.open(f"/m/part", os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o644)
            os.write(fd, str(i).encode() * 2000)
            os.fsync(fd)
            os.close(fd)
            os.rename("/m/part", f"/m/file{i}")
            print(i)
        """), text=True)
    for line in p.stdout:
        last = int(line)
        if last >= 50:
            break
    os.kill(guest.msb.runtime_pid("box"), 9)
    for line in p.stdout:
        if line.strip().isdigit():
            last = int(line)
    p.wait()
    p.stdout.close()
    p.stderr.close()
    assert last >= 50
    for i in range(last + 1):
        assert (guest.data / f"file{i}").read_text() == str(i) * 2000
    guest.msb("rm", "-f", "box")
    assert guest.once('print(len(open("/m/file7").read()))') == "2000\n"
