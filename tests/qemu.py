# SPDX-License-Identifier: Apache-2.0
"""A stock Debian kernel under QEMU's software emulation: what tests/vhost and tests/kvm share."""
import os
import pathlib
import shutil

QEMU = shutil.which("qemu-system-x86_64")
BUSYBOX = shutil.which("busybox")
# of virtio's PCI devices, in the order of their dependencies
VIRTIO = ["drivers/virtio/virtio_ring", "drivers/virtio/virtio",
          "drivers/virtio/virtio_pci_modern_dev", "drivers/virtio/virtio_pci_legacy_dev",
          "drivers/virtio/virtio_pci"]


def find_kernel(modules):
    """(image, module directory) of the newest installed kernel that has all modules."""
    for directory in sorted(pathlib.Path("/lib/modules").glob("*"), reverse=True):
        image = pathlib.Path("/boot") / f"vmlinuz-{directory.name}"
        if os.access(image, os.R_OK) and all(
                (directory / "kernel" / f"{m}.ko").exists() for m in modules):
            return image, directory / "kernel"
    return None


def missing(kernel):
    """What is not installed, as text, or None; kernel is find_kernel()'s answer."""
    for what, there in (("qemu-system-x86_64", QEMU), ("busybox", BUSYBOX),
                        ("a Debian kernel with the modules needed", kernel)):
        if not there:
            return f"{what} is not installed"
    return None


def cpio(files):
    """newc archive of (name, mode, bytes)."""
    out = bytearray()
    for inode, (name, mode, data) in enumerate([*files, ("TRAILER!!!", 0, b"")], 1):
        fields = [inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0]
        out += b"070701" + b"".join(b"%08x" % f for f in fields) + name.encode() + b"\0"
        out += bytes(-len(out) % 4) + data
        out += bytes(-len(out) % 4)
    return bytes(out)


def initramfs(directory, modules, init, *files):
    """Archive with busybox, the modules as /modules/NAME.ko, /init and further files.

    In init, {modules} becomes the names of the modules.
    """
    names = [m.rsplit("/", 1)[1] for m in modules]
    members = [(d, 0o40755, b"") for d in ("bin", "dev", "proc", "sys", "tmp", "mnt", "modules")]
    members += [(f"modules/{n}.ko", 0o100644, (directory / f"{m}.ko").read_bytes())
                for n, m in zip(names, modules)]
    members += [("bin/busybox", 0o100755, pathlib.Path(BUSYBOX).read_bytes()),
                ("init", 0o100755, init.replace("{modules}", " ".join(names)).encode())]
    return cpio([*members, *files])
