#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pack what make-rootfs.sh lays out into an image: a tar of an OCI layout with one layer.

    make-image.py MAKE-ROOTFS REFERENCE OUTPUT

The archive depends on nothing but the busybox program: no times, owners or names of the build
machine.
"""
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
EPOCH = "1970-01-01T00:00:00Z"


def member(info):
    info.uid = info.gid = info.mtime = 0
    info.uname = info.gname = ""
    return info


def layer_of(rootfs):
    """An uncompressed tar of the directory, names in order."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for where, directories, files in os.walk(rootfs):
            directories.sort()
            links = [d for d in directories if os.path.islink(os.path.join(where, d))]
            names = [os.path.relpath(where, rootfs)] if where != rootfs else []
            names += [os.path.normpath(os.path.join(os.path.relpath(where, rootfs), f))
                      for f in sorted(files + links)]
            for name in names:
                tar.add(os.path.join(rootfs, name), name, recursive=False, filter=member)
    return out.getvalue()


class Layout:
    """Files of an OCI image layout, by name."""

    def __init__(self):
        self.files = {"oci-layout": json.dumps({"imageLayoutVersion": "1.0.0"}).encode()}

    def blob(self, media_type, data):
        digest = hashlib.sha256(data).hexdigest()
        self.files["blobs/sha256/" + digest] = data
        return {"mediaType": "application/vnd.oci.image." + media_type,
                "digest": "sha256:" + digest, "size": len(data)}

    def document(self, media_type, value):
        return self.blob(media_type, json.dumps(value, sort_keys=True).encode())

    def archive(self):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            for name, data in sorted(self.files.items()):
                info = tarfile.TarInfo(name)
                info.size = len(data)
                info.mode = 0o644
                tar.addfile(info, io.BytesIO(data))
        return out.getvalue()


def image(rootfs, reference):
    tar = layer_of(rootfs)
    layout = Layout()
    layer = layout.blob("layer.v1.tar+gzip", gzip.compress(tar, 9, mtime=0))
    machine = os.uname().machine
    platform = {"architecture": ARCHITECTURES.get(machine, machine), "os": "linux"}
    config = layout.document("config.v1+json", {
        **platform, "created": EPOCH,
        "config": {"Cmd": ["sh"], "Env": [PATH]},
        "rootfs": {"type": "layers",
                   "diff_ids": ["sha256:" + hashlib.sha256(tar).hexdigest()]},
        "history": [{"created": EPOCH, "created_by": "busybox-static of Debian"}]})
    manifest = layout.document("manifest.v1+json", {
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config, "layers": [layer]})
    layout.files["index.json"] = json.dumps({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{**manifest, "platform": platform, "annotations": {
            "org.opencontainers.image.ref.name": reference,
            "io.containerd.image.name": reference}}]}, sort_keys=True).encode()
    return layout.archive()


def main():
    make_rootfs, reference, output = sys.argv[1:]
    with tempfile.TemporaryDirectory() as tmp:
        rootfs = os.path.join(tmp, "rootfs")
        subprocess.run([make_rootfs, rootfs], check=True)
        data = image(rootfs, reference)
    os.makedirs(os.path.dirname(output) or ".", exist_ok=True)
    with open(output + ".new", "wb") as f:
        f.write(data)
    os.replace(output + ".new", output)


if __name__ == "__main__":
    main()
