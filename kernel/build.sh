#!/bin/bash
# Build both guest kernels from the Debian source package named in source.txt.
#
# usage: kernel/build.sh [um] [x86_64]      (default: both, and refresh prebuilt/)
#
#   MSB_KERNEL_SOURCE     an already downloaded .deb or .tar.xz; nothing is fetched then
#   MSB_KERNEL_BUILD_DIR  where to work (default: kernel/build); needs 4 GB
#   MSB_KERNEL_OUT        where the results go (default: kernel/prebuilt)
#   JOBS                  parallel compiler processes (default: number of CPUs)
#
# The result depends on the files beside this script, the source package, the compiler and the
# static C library, and on nothing else: not on the directory, the time, the user or the host.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
work=${MSB_KERNEL_BUILD_DIR:-$here/build}
out=${MSB_KERNEL_OUT:-$here/prebuilt}
jobs=${JOBS:-$(nproc)}

export LC_ALL=C TZ=UTC
umask 022
unset KCFLAGS KAFLAGS CFLAGS LDFLAGS MAKEFLAGS LOCALVERSION KBUILD_EXTRA_SYMBOLS

# What would otherwise be read from the build machine.
export KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970'
export KBUILD_BUILD_USER=msb
export KBUILD_BUILD_HOST=msb
export KBUILD_BUILD_VERSION=1
export SOURCE_DATE_EPOCH=0

say() { printf 'kernel: %s\n' "$*"; }
die() { printf 'kernel: %s\n' "$*" >&2; exit 1; }

# Value of a key in source.txt.
source_field() { awk -v key="$1" '$1 == key { print $2 }' "$here/source.txt"; }

# Fetch the source package with apt, with an apt state of its own: the system's package lists and
# sources stay as they are. The mirror is the one the system uses for its Debian suites.
fetch_source() {
    local package=$1 version=$2 state=$work/apt site keyring
    # shellcheck disable=SC2016
    site=$(apt-get indextargets --format '$(SITE) $(ORIGIN) $(LABEL)' |
        awk '$2 == "Debian" && $3 == "Debian" { print $1; exit }')
    [ -n "$site" ] || die "apt knows no Debian mirror; set MSB_KERNEL_SOURCE"
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    [ -e "$keyring" ] || die "no $keyring; install debian-archive-keyring"

    mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
    printf 'deb [signed-by=%s] %s %s main\n' "$keyring" "$site" trixie-backports \
        "$keyring" "$site" sid > "$state/sources.list"
    local options=(
        -o Dir::Etc::SourceList="$state/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null
        -o Dir::State::Lists="$state/lists" -o Dir::Cache="$state/cache"
        -o APT::Sandbox::User=root -o Acquire::Languages=none
    )
    say "fetching $package $version with apt" >&2
    apt-get "${options[@]}" -q=2 update >&2
    (cd "$state" && apt-get "${options[@]}" -q=2 download "$package=$version" >&2) ||
        die "$package $version is gone from the mirror: take it from Debian's snapshot archive and set MSB_KERNEL_SOURCE, or change source.txt"
    ls "$state/$package"_*.deb
}

# Print the path of the source tar, fetched or given, and verify it.
source_tar() {
    local package version given tar
    package=$(source_field package)
    version=$(source_field version)
    given=${MSB_KERNEL_SOURCE:-}
    [ -n "$given" ] || given=$(fetch_source "$package" "$version")
    case $given in
    *.deb)
        dpkg-deb -x "$given" "$work/package"
        tar=$work/package/usr/src/$package.tar.xz
        ;;
    *) tar=$given ;;
    esac
    [ -e "$tar" ] || die "no $tar"
    echo "$(source_field sha256)  $tar" | sha256sum --check --status ||
        die "$tar is not the source that source.txt names"
    printf '%s\n' "$tar"
}

# Unpack and patch. The tree is kept between runs as long as source and patches are the same.
prepare_tree() {
    local tar=$1 stamp patch
    stamp=$(cat "$here/source.txt" "$here"/patches/*.patch | sha256sum)
    if [ "$(cat "$tree/.stamp" 2> /dev/null)" != "$stamp" ]; then
        rm -rf "$tree"
        mkdir -p "$tree"
        say "unpacking"
        tar -C "$tree" --strip-components=1 -xJf "$tar"
        for patch in "$here"/patches/*.patch; do
            say "applying ${patch##*/}"
            patch -d "$tree" -p1 --quiet --fuzz=0 < "$patch"
        done
        printf '%s\n' "$stamp" > "$tree/.stamp"
    fi
}

# build <arch> <make target> <file to install as>
build() {
    local arch=$1 target=$2 name=$3 obj=$tree/obj-$1
    local make=(make -C "$tree" -j "$jobs" --no-print-directory -s ARCH="$arch" O="obj-$1")

    # Objects live below the source tree, so the compiler sees relative paths only; the maps
    # catch what is made absolute all the same.
    export KCFLAGS="-ffile-prefix-map=$tree/=" KAFLAGS="-ffile-prefix-map=$tree/="

    mkdir -p "$obj"
    rm -f "$obj/.config"
    "${make[@]}" tinyconfig > /dev/null
    "$tree/scripts/kconfig/merge_config.sh" -m -Q -O "$obj" \
        "$obj/.config" "$here/common.config" "$here/$arch.config" > "$obj/merge.log"
    "${make[@]}" olddefconfig
    "$here/check-config.sh" "$obj/.config" "$here/common.config" "$here/$arch.config" ||
        die "the $arch configuration lacks options it was asked for"

    say "building $arch"
    "${make[@]}" "$target"
    strip --strip-all -o "$work/$name" "$obj/$target"
    if grep -qaF -e "$work" "$work/$name"; then
        die "$name contains the path of the build directory"
    fi
    mkdir -p "$out"
    chmod 644 "$work/$name"
    zstd -19 --quiet --force --no-progress -o "$out/$name.zst" "$work/$name"
}

write_provenance() {
    local name
    {
        echo "# Written by kernel/build.sh; kernel/check.sh verifies it."
        echo "source-package: $(source_field package) $(source_field version) (Debian)"
        echo "source-tar-sha256: $(source_field sha256)"
        echo "source-how-to-get: apt-get download $(source_field package)=$(source_field version), from Debian sid or backports, or from Debian's snapshot archive"
        echo "compiler: $(gcc --version | head -n 1)"
        echo "linker: $(ld --version | head -n 1)"
        echo "libc-static: $(dpkg-query -W -f '${Package} ${Version}' libc6-dev 2> /dev/null || echo unknown)"
        echo "compressor: $(zstd --version)"
        echo "inputs-sha256: $("$here/check.sh" --inputs)"
        for name in linux-um vmlinux-x86_64; do
            echo "$name-sha256: $(sha256sum < "$work/$name" | cut -d ' ' -f 1)"
            echo "$name.zst-sha256: $(sha256sum < "$out/$name.zst" | cut -d ' ' -f 1)"
        done
    } > "$out/PROVENANCE"
}

mkdir -p "$work"
work=$(cd "$work" && pwd)
tree=$work/linux
shopt -s nullglob

[ $# -gt 0 ] || set -- um x86_64
tar=$(source_tar)
prepare_tree "$tar"
for arch in "$@"; do
    case $arch in
    um) build um linux linux-um ;;
    x86_64) build x86_64 vmlinux vmlinux-x86_64 ;;
    *) die "unknown architecture $arch" ;;
    esac
done
if [ -e "$work/linux-um" ] && [ -e "$work/vmlinux-x86_64" ]; then
    write_provenance
    say "results in $out"
else
    say "one kernel only: prebuilt files are not complete, PROVENANCE is unchanged"
fi
