# SPDX-License-Identifier: Apache-2.0
"""Trees as lstree prints them: reading, comparing, and what umoci makes of an image."""
import pathlib
import shutil
import stat
import subprocess
import tempfile

# what the agent puts into any root: mount points and what lies on them
AGENTS = {"/proc", "/sys", "/dev", "/run", "/tmp", "/var", "/var/tmp", "/.msb", "/lstree", "/etc",
          "/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/etc/profile"}
PRESENT = range(1_750_000_000, 4_000_000_000)  # times no archive here gives
FIELDS = "mode uid gid size nlink inode rdev mtime content xattrs".split()


def parse(text):
    """{path: {field: text}}; inode is the set of paths that share it, as sorted text."""
    tree, groups = {}, {}
    for line in text.splitlines():
        path, *values = line.split(" ")
        assert len(values) == len(FIELDS), line
        assert path not in tree, f"{path} is there twice"
        entry = tree[path] = dict(zip(FIELDS, values))
        groups.setdefault(entry["inode"], []).append(path)
        if stat.S_ISDIR(int(entry["mode"], 8)):
            entry["size"] = entry["nlink"] = "-"  # of the file system, not of the tree
    for entry in tree.values():
        entry["inode"] = " ".join(sorted(groups[entry["inode"]]))
    return tree


def compare(expected, got, agents=AGENTS):
    """Lines that tell every difference.

    The root directory's time is the agent's. Directories of which the archives say nothing get
    the present time from umoci and none from us.
    """
    lines = []
    for path in sorted(set(expected) | set(got)):
        a, b = expected.get(path), got.get(path)
        if path in agents and (a is None or b is None or a["mtime"] != b["mtime"]):
            continue
        if a is None or b is None:
            lines.append(f"{path}: {'not expected' if a is None else 'missing'}")
            continue
        for field in FIELDS:
            if field == "mtime" and (path == "/" or int(float(a["mtime"])) in PRESENT):
                continue
            if a[field] != b[field]:
                lines.append(f"{path}: {field} is {b[field]}, expected {a[field]}")
    return lines


def of_directory(lstree, directory):
    p = subprocess.run([lstree, directory], capture_output=True, text=True, check=True)
    return parse(p.stdout)


def of_umoci(lstree, image):
    """The tree umoci unpacks as root."""
    tmp = pathlib.Path(tempfile.mkdtemp(prefix="msb-umoci-"))
    try:
        subprocess.run(["umoci", "unpack", "--image", image.gzipped().layout(tmp / "layout"),
                        tmp / "bundle"], check=True, capture_output=True, text=True)
        return of_directory(lstree, tmp / "bundle/rootfs")
    except subprocess.CalledProcessError as e:
        raise AssertionError(f"umoci: {e.stderr}") from e
    finally:
        shutil.rmtree(tmp, ignore_errors=True)
