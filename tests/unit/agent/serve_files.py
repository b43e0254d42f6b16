# SPDX-License-Identifier: Apache-2.0
"""File operations."""
import os
import pathlib
import stat
import tempfile

from serve_case import Case, STEP


def soft_limit():
    with open("/proc/self/limits") as f:
        return next(line for line in f if line.startswith("Max open files")).split()[3].encode()


class Files(Case):
    def setUp(self):
        fast = "/dev/shm" if os.access("/dev/shm", os.W_OK | os.X_OK) else None
        self.tmp = tempfile.TemporaryDirectory(dir=fast)
        self.addCleanup(self.tmp.cleanup)
        self.d = pathlib.Path(self.tmp.name)

    def test_stat(self):
        p = self.d / "f"
        p.write_bytes(b"12345")
        p.chmod(0o640)
        info = self.a.fs("Stat", path=str(p), follow_symlink=True)["Stat"]
        self.assertEqual(list(info), ["path", "kind", "size", "mode", "modified", "uid", "gid",
                                      "atime", "mtime"])
        self.assertEqual((info["path"], info["kind"], info["size"], info["mode"]),
                         (str(p), "file", 5, 0o100640))
        self.assertEqual(info["modified"], int(p.stat().st_mtime))
        (self.d / "l").symlink_to("f")
        for follow, kind in ((True, "file"), (False, "symlink")):
            info = self.a.fs("Stat", path=str(self.d / "l"), follow_symlink=follow)["Stat"]
            self.assertEqual(info["kind"], kind)
        self.assertEqual(self.a.fs("Stat", path=str(self.d / "no"), follow_symlink=True),
                         "stat: No such file or directory (os error 2)")

    def test_real_path(self):
        (self.d / "dir").mkdir()
        (self.d / "link").symlink_to("dir")
        real = os.path.realpath(self.d)
        for given, want in (("link", "dir"), ("link/new", "dir/new"), ("dir/../dir/.", "dir")):
            self.assertEqual(self.a.fs("RealPath", path=f"{self.d}/{given}"),
                             {"Path": f"{real}/{want}"})
        self.assertEqual(self.a.fs("RealPath", path="/"), {"Path": "/"})
        self.assertEqual(self.a.fs("RealPath", path="/newname"), {"Path": "/newname"})
        self.assertIn("realpath: No such", self.a.fs("RealPath", path=f"{self.d}/a/b/c"))

    def test_links_directories_names(self):
        d = self.d
        self.assertIsNone(self.a.fs("Symlink", target="to/there", link_path=str(d / "l")))
        self.assertEqual(self.a.fs("ReadLink", path=str(d / "l")), {"Path": "to/there"})
        self.assertIn("readlink: Invalid argument", self.a.fs("ReadLink", path=str(d)))
        self.assertIsNone(self.a.fs("Mkdir", path=str(d / "x/y/z"), mode=0o2750))
        self.assertEqual(stat.S_IMODE((d / "x/y/z").stat().st_mode), 0o2750)
        self.assertEqual(stat.S_IMODE((d / "x/y").stat().st_mode), 0o755)
        self.assertIsNone(self.a.fs("Mkdir", path=str(d / "x/y/z")))
        (d / "file").write_text("t")
        self.assertIn("mkdir: ", self.a.fs("Mkdir", path=str(d / "file/sub"), mode=None))
        self.assertIsNone(self.a.fs("Rename", src=str(d / "file"), dst=str(d / "x/moved")))
        self.assertEqual((d / "x/moved").read_text(), "t")
        self.assertIn("remove_dir: Directory not empty",
                      self.a.fs("RemoveDir", path=str(d / "x"), recursive=False))
        self.assertIsNone(self.a.fs("RemoveDir", path=str(d / "x/y/z"), recursive=False))
        self.assertIsNone(self.a.fs("Remove", path=str(d / "l")))
        self.assertIn("remove: ", self.a.fs("Remove", path=str(d / "l")))

    def test_remove_tree(self):
        outside = self.d / "outside"
        outside.mkdir()
        (outside / "keep").write_text("k")
        tree = self.d / "tree"
        at = tree
        for i in range(60):
            at.mkdir()
            for j in range(5):
                (at / f"f{j}").write_text("x")
            (at / "link").symlink_to(outside)
            at = at / f"d{i}"
        (tree / "wide").mkdir()
        for i in range(2000):
            (tree / "wide" / f"entry-with-a-longer-name-{i}").mkdir()
        self.assertIsNone(self.a.fs("RemoveDir", path=str(tree), recursive=True))
        self.assertFalse(tree.exists())
        self.assertTrue((outside / "keep").exists())
        (self.d / "ln").symlink_to(outside)
        self.assertIsNone(self.a.fs("RemoveDir", path=str(self.d / "ln"), recursive=True))
        self.assertTrue((outside / "keep").exists())
        self.assertIn("remove_dir: Not a directory",
                      self.a.fs("RemoveDir", path=str(outside / "keep"), recursive=True))

    def test_remove_tree_deeper_than_any_path(self):
        top = os.open(self.d, os.O_RDONLY)
        fd = top
        for _ in range(3000):
            os.mkdir("d", dir_fd=fd)
            new = os.open("d", os.O_RDONLY, dir_fd=fd)
            if fd != top:
                os.close(fd)
            fd = new
        os.close(fd)
        os.close(top)
        self.assertIsNone(self.a.fs("RemoveDir", path=str(self.d / "d"), recursive=True))
        self.assertEqual(list(self.d.iterdir()), [])

    def test_copy(self):
        data = os.urandom(3000001)
        src, dst = self.d / "a", self.d / "b"
        src.write_bytes(data)
        src.chmod(0o741)
        self.assertIsNone(self.a.fs("Copy", src=str(src), dst=str(dst)))
        self.assertEqual((dst.read_bytes(), stat.S_IMODE(dst.stat().st_mode)), (data, 0o741))
        self.assertIsNone(self.a.fs("Copy", src=str(src), dst=str(src)))
        self.assertEqual(src.read_bytes(), data)
        self.assertIn("copy: ", self.a.fs("Copy", src=str(self.d), dst=str(dst)))
        self.assertIn("copy: No such", self.a.fs("Copy", src=str(self.d / "no"), dst=str(dst)))

    def test_set_stat(self):
        p = self.d / "f"
        p.write_bytes(b"0123456789")
        none = dict.fromkeys(["mode", "uid", "gid", "size", "atime", "mtime"])
        attrs = {**none, "mode": 0o600, "size": 4, "mtime": 1000}
        self.assertIsNone(self.a.fs("SetStat", path=str(p), follow_symlink=True, attrs=attrs))
        st = p.stat()
        self.assertEqual((stat.S_IMODE(st.st_mode), st.st_size, st.st_mtime), (0o600, 4, 1000))
        self.assertEqual(st.st_atime_ns % 10**9, 0)
        (self.d / "l").symlink_to("f")
        self.assertIn("setstat: ", self.a.fs("SetStat", path=str(self.d / "l"),
                                             follow_symlink=False, attrs={**none, "mode": 0o777}))
        h = self.a.open(str(p), read=True, write=True)
        self.assertIsNone(self.a.fs("FSetStat", handle=h, attrs={**none, "size": 8, "atime": -5}))
        info = self.a.fs("FStat", handle=h)["Stat"]
        self.assertEqual((info["size"], info["atime"], info["path"]), (8, -5, str(p)))
        self.assertIsNone(self.a.fs("CloseHandle", handle=h))

    def test_write_and_read(self):
        data = os.urandom(9 << 20)
        p = str(self.d / "big")
        h = self.a.open(p, write=True, create=True, truncate=True, mode=0o600)
        self.assertIsNone(self.a.write(h, data, len=len(data), chunk=3 << 20))
        self.assertEqual(stat.S_IMODE(os.stat(p).st_mode), 0o600)
        self.assertIn("not open for reading", self.a.read(h))
        self.assertIsNone(self.a.fs("CloseHandle", handle=h))
        h = self.a.open(p, read=True)
        self.assertEqual(self.a.read(h), data)
        self.assertEqual(self.a.read(h, offset=1000, len=50), data[1000:1050])
        self.assertEqual(self.a.read(h, offset=len(data) - 5, len=50), data[-5:])
        self.assertEqual(self.a.read(h, offset=len(data) + 5), b"")
        self.assertEqual(self.a.read(h, len=0), b"")
        self.assertIn("seek: ", self.a.read(h, offset=1 << 63))
        self.assertIn("not open for writing", self.a.fs("Write", handle=h, offset=0, len=None))
        self.assertIsNone(self.a.fs("CloseHandle", handle=h))
        self.assertEqual(self.a.fs("CloseHandle", handle=h), f"invalid handle: {h}")

    def test_write_places_and_lengths(self):
        p = self.d / "f"
        h = self.a.open(str(p), read=True, write=True, create=True)
        self.assertIsNone(self.a.write(h, b"world", offset=6))
        self.assertIsNone(self.a.write(h, b"hello "))
        self.assertEqual(p.read_bytes(), b"hello world")
        self.assertEqual(self.a.write(h, b"abc", len=5),
                         "write length mismatch: expected 5, wrote 3")
        g = self.a.open(str(p), append=True)
        self.assertIsNone(self.a.write(g, b"!", offset=0))
        self.assertEqual(p.read_bytes()[-1:], b"!")
        id = self.a.send("core.fs.data", {"data": b"x"})
        self.assertEqual(self.a.recv(id).payload["error"], f"unknown write session: {id}")

    def test_failing_write_ends_the_stream(self):
        h = self.a.open("/dev/full", write=True)
        id = self.a.fs_send("Write", handle=h, offset=0, len=None)
        self.a.send("core.fs.data", {"data": b"x"}, id=id)
        self.assertIn("No space left", self.a.recv(id).payload["error"])
        self.a.send("core.fs.data", {"data": b"x"}, id=id)
        self.assertIn("unknown write session", self.a.recv(id).payload["error"])

    def test_open_options(self):
        p = str(self.d / "f")
        for bad in ({}, {"read": True, "create": True}, {"read": True, "truncate": True},
                    {"append": True, "truncate": True}):
            self.assertIn("open: Invalid argument", self.a.open(p, **bad))
        self.assertIsInstance(self.a.open(p, write=True, create_new=True), int)
        self.assertIn("open: File exists", self.a.open(p, write=True, create_new=True))
        self.assertIn("open: No such", self.a.open(str(self.d / "no"), read=True))

    def test_fifo_does_not_block(self):
        os.mkfifo(self.d / "fifo")
        self.assertIn("open: No such device", str(self.a.open(str(self.d / "fifo"), write=True)))
        h = self.a.open(str(self.d / "fifo"), read=True)
        self.assertIn("seek: ", self.a.read(h))

    def test_directories(self):
        names = {f"name-{i}" for i in range(1000)}
        for n in names:
            (self.d / n).touch()
        listed = self.a.fs("List", path=str(self.d))["List"]
        self.assertEqual({e["path"] for e in listed}, {f"{self.d}/{n}" for n in names})
        self.assertEqual({e["kind"] for e in listed}, {"file"})
        h = self.a.fs("OpenDir", path=str(self.d) + "/")["Handle"]
        seen, sizes = [], []
        while True:
            page = self.a.fs("ReadDir", handle=h, limit=None if len(sizes) % 2 else 7)["List"]
            if not page:
                break
            sizes.append(len(page))
            seen += [os.path.basename(e["path"]) for e in page]
        self.assertEqual((sizes[:2], set(seen), len(seen)), ([7, 128], names, 1000))
        self.assertIn("is a directory", self.a.read(h))
        f = self.a.open(str(self.d / "name-1"), read=True)
        self.assertEqual(self.a.fs("ReadDir", handle=f, limit=None), f"handle {f} is a file")
        self.assertIn("opendir: Not a dir", self.a.fs("OpenDir", path=str(self.d / "name-1")))
        self.assertIn("readdir: ", self.a.fs("List", path="/no/such/dir"))

    def test_list_that_does_not_fit(self):
        for i in range(16000):
            (self.d / f"{i:0200}").touch()
        answer = self.a.fs("List", path=str(self.d))
        self.assertIsInstance(answer, str)
        self.assertIn("page by page", answer)

    def test_handles_belong_to_a_client(self):
        p = str(self.d / "f")
        pathlib.Path(p).write_text("x")
        h = self.a.open(p, read=True)
        other = STEP + 1
        self.assertEqual(self.a.fs("FStat", id=other, handle=h),
                         f"handle {h} is owned by a different relay client")
        handles = []
        while True:
            got = self.a.open(p, id=other + 1, read=True)
            if isinstance(got, str):
                break
            handles.append(got)
        self.assertEqual((len(handles), got),
                         (1024, "too many open filesystem handles for relay client: 1"))
        self.assertEqual(handles, sorted(set(handles)))
        # with the files came a higher limit, which is not for programs
        self.assertEqual(self.a.sh("ulimit -Sn")[0].strip(), soft_limit())
        self.a.send("core.relay.client.disconnected",
                    {"id_start": other, "id_end_exclusive": 2 * STEP}, id=0)
        self.assertIsInstance(self.a.open(p, id=other + 1, read=True), int)
        self.assertIsInstance(self.a.fs("FStat", handle=h), dict)

    def test_disconnect_ends_streams(self):
        h = self.a.open("/dev/zero", id=3 * STEP + 1, read=True)
        id = self.a.fs_send("Read", id=3 * STEP + 2, handle=h, offset=0, len=None)
        self.assertEqual(self.a.recv(id).type, "core.fs.data")
        # an endless stream does not keep others from their turn
        self.assertEqual(self.a.sh("echo turn")[0], b"turn\n")
        self.a.send("core.relay.client.disconnected",
                    {"id_start": 3 * STEP + 1, "id_end_exclusive": 4 * STEP}, id=0)
        self.a.ping()
        self.a.inbox[id].clear()
        self.assertTrue(self.a.silent(id))

    def test_close_while_reading(self):
        (self.d / "f").write_bytes(bytes(8 << 20))
        h = self.a.open(str(self.d / "f"), read=True)
        id = self.a.fs_send("Read", handle=h, offset=0, len=None)
        self.assertIsNone(self.a.fs("CloseHandle", handle=h))
        self.assertEqual(sum(len(m.payload["data"]) for m in self.a.rest(id)[:-1]), 8 << 20)

    def test_paths_that_are_not_utf8(self):
        raw = os.fsencode(self.d) + b"/\xff\xfe"
        op = {"op": {"OpenFile": {"path": raw, "options": {
            "read": False, "write": True, "append": False, "create": True, "truncate": False,
            "create_new": False, "mode": None}}}}
        self.assertTrue(self.a.recv(self.a.send("core.fs.request", op)).payload["ok"])
        self.assertEqual(os.listdir(os.fsencode(self.d)), [b"\xff\xfe"])
        self.assertEqual(len(self.a.fs("List", path=str(self.d))["List"]), 1)
