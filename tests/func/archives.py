# SPDX-License-Identifier: Apache-2.0
"""Image archives made in a test: an OCI layout as a tar, of layers given as trees."""
import gzip
import hashlib
import io
import json
import os
import tarfile

MEDIA = "application/vnd.oci.image."


def tar_of(directory):
    """A layer of everything in a directory, owned by root."""
    def root(info):
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        return info

    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name in sorted(os.listdir(directory)):
            tar.add(os.path.join(directory, name), name, filter=root)
    return out.getvalue()


def tar_with(files):
    """A layer of regular files: {name: bytes}; a name with "/" at its end is a directory."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name.rstrip("/"))
            if name.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
            else:
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


class Archive:
    """Images that are loaded together; add() them, then write()."""

    def __init__(self):
        self.files = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}'}
        self.manifests = []

    def blob(self, media_type, data):
        digest = hashlib.sha256(data).hexdigest()
        self.files["blobs/sha256/" + digest] = data
        return {"mediaType": MEDIA + media_type, "digest": "sha256:" + digest, "size": len(data)}

    def add(self, name, layers, **config):
        """name may be None; config has the members of the image's "config". Gives the digest."""
        descriptors = [self.blob("layer.v1.tar+gzip", gzip.compress(t, 1, mtime=0)) for t in layers]
        document = {"architecture": "amd64", "os": "linux", "config": config, "rootfs": {
            "type": "layers",
            "diff_ids": ["sha256:" + hashlib.sha256(t).hexdigest() for t in layers]}}
        manifest = self.blob("manifest.v1+json", json.dumps({
            "schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json",
            "config": self.blob("config.v1+json", json.dumps(document).encode()),
            "layers": descriptors}).encode())
        if name:
            manifest["annotations"] = {"org.opencontainers.image.ref.name": name}
        self.manifests.append(manifest)
        return manifest["digest"]

    def write(self, path):
        index = {"schemaVersion": 2, "manifests": self.manifests}
        files = {**self.files, "index.json": json.dumps(index).encode()}
        with tarfile.open(path, "w") as tar:
            for name, data in files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
        return path
