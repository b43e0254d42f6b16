#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pulls and starts images, against skopeo and umoci; a part of bench.py."""
import argparse
import contextlib
import io
import os
import pathlib
import shutil
import statistics
import subprocess
import sys
import tarfile
import time

from bench import Bench, ROOT, summary

sys.path.insert(0, str(ROOT / "tests/images"))
from oci import Image, Layer  # noqa: E402
from registry import DockerRegistry, missing  # noqa: E402

LAYERS = 8
SOURCES = ["/usr/bin", "/usr/lib", "/usr/share"]


def some_files(size):
    """Files of this machine, many small and some large, of that many bytes in all."""
    found = []
    for source in SOURCES:
        for directory, subdirs, files in os.walk(source):
            subdirs.sort()
            found += [os.path.join(directory, name) for name in sorted(files)]
    step = max(1, len(found) // 20_000)
    taken, left = [], size
    for start in range(step):
        for path in found[start::step]:
            info = os.lstat(path)
            if left <= 0:
                return taken
            if os.path.isfile(path) and not os.path.islink(path) and info.st_size <= left // 8:
                taken.append(path)
                left -= info.st_size
            elif os.path.islink(path):
                taken.append(path)
        if left < size // 1000:
            break
    return taken


def archive(paths):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path in paths:
            with contextlib.suppress(OSError):  # gone, or not to be read
                tar.add(path, recursive=False)
    return out.getvalue()


def large_image(size):
    files = some_files(size)
    return Image(*[Layer(archive(files[i::LAYERS])) for i in range(LAYERS)])


def disk_use(directory):
    return sum(p.lstat().st_blocks * 512 for p in pathlib.Path(directory).rglob("*"))


def mib(n):
    return f"{n / (1 << 20):.0f} MiB"


class Images(Bench):
    def __init__(self, build, runs):
        super().__init__(build, runs)
        self.registry = DockerRegistry()
        self.config = '{"registries": {"hosts": {"%s": {"insecure": true}}}}' % self.registry.host

    def close(self):
        self.registry.close()
        super().close()

    def home(self, name):
        """An empty home that speaks plain HTTP with the registry, and its environment."""
        directory = self.base / name
        directory.mkdir(mode=0o700)
        (directory / "config.json").write_text(self.config)
        env = {k: v for k, v in os.environ.items() if not k.lower().endswith("_proxy")}
        return {**env, "MSB_HOME": str(directory)}

    def pull(self, size):
        print(f"# pull and unpack, {LAYERS} layers, interleaved")
        image = large_image(size)
        unpacked = sum(len(x.tar) for x in image.layers)
        packed = sum(len(x.blob) for x in image.layers)
        print(f"image: {mib(unpacked)} in {LAYERS} layers, {mib(packed)} compressed")
        reference = self.registry.push(image, "large")
        ours, skopeo, umoci = [], [], []
        use = {}
        for _ in range(self.runs):
            os.sync()  # each begins with nothing of the other's left to write
            env = self.home("pulled")
            ours.append(self.timed([self.msb, "pull", "-q", reference], env=env))
            use["msb"] = disk_use(self.base / "pulled/cache")
            shutil.rmtree(self.base / "pulled")
            layout, bundle = self.base / "layout", self.base / "bundle"
            os.sync()
            skopeo.append(self.timed([shutil.which("skopeo"), "copy", "--quiet",
                                      "--src-tls-verify=false", f"docker://{reference}",
                                      f"oci:{layout}:x"], env=env))
            umoci.append(self.timed([shutil.which("umoci"), "unpack", "--image", f"{layout}:x",
                                     bundle], env=env))
            use["skopeo and umoci"] = disk_use(layout) + disk_use(bundle)
            shutil.rmtree(layout)
            shutil.rmtree(bundle)
        both = [a + b for a, b in zip(skopeo, umoci)]
        print(f"msb pull                            {summary(ours)}")
        print(f"skopeo copy                         {summary(skopeo)}")
        print(f"umoci unpack                        {summary(umoci)}")
        print(f"skopeo copy + umoci unpack          {summary(both)}")
        ratio = statistics.median(a / b for a, b in zip(ours, both))
        print(f"msb / both = {ratio:.2f}   (goal: at most 0.7)")
        for name, n in use.items():
            print(f"disk use of {name}: {mib(n)}")

    def start(self):
        """The same root as a directory and as an image that is there."""
        print("# start to exit, interleaved")
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            tar.add(self.rootfs, "./")
        reference = self.registry.push(Image(Layer(out.getvalue())), "root")
        env = self.home("cached")
        subprocess.run([self.msb, "pull", "-q", reference], env=env, check=True)
        directory, image = [], []
        for i in range(self.runs + 1):
            a = self.timed([self.msb, "run", self.rootfs, "--", "true"], env=env)
            time.sleep(0.03)
            b = self.timed([self.msb, "run", reference, "--", "true"], env=env)
            time.sleep(0.03)
            if i:
                directory.append(a)
                image.append(b)
        print(f"msb run <dir> -- true               {summary(directory)}")
        print(f"msb run <image> -- true             {summary(image)}")
        ratio = statistics.median(image) / statistics.median(directory)
        print(f"image / dir = {ratio:.2f}   (goal: at most 1.10)")


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--build", default="build")
    ap.add_argument("--runs", type=int, default=20)
    ap.add_argument("--pulls", type=int, default=5)
    ap.add_argument("--size", type=int, default=300, help="of the image, in MB")
    ap.add_argument("part", nargs="*", choices=["pull", "start", []], help="default: both")
    args = ap.parse_args()
    if missing() or os.geteuid() != 0:
        sys.exit(f"images: needs root and {' '.join(missing())}")
    bench = Images(args.build, args.pulls)
    try:
        if "pull" in args.part or not args.part:
            bench.pull(args.size * 1_000_000)
        bench.runs = args.runs
        if "start" in args.part or not args.part:
            bench.start()
    finally:
        bench.close()


if __name__ == "__main__":
    main()
