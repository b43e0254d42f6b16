#!/bin/sh
# Check that the committed kernels belong to the committed configuration. Takes milliseconds.
#
# usage: kernel/check.sh            verify prebuilt/ against PROVENANCE and the inputs
#        kernel/check.sh --inputs   print the hash of the inputs (used by build.sh)
set -eu

here=$(cd "$(dirname "$0")" && pwd)
export LC_ALL=C

# One hash over everything a build depends on that is kept in this directory.
inputs_hash() {
    (cd "$here" && set -- ./*.config source.txt build.sh patches/*.patch && sha256sum "$@") |
        sha256sum | cut -d ' ' -f 1
}

recorded() {
    sed -n "s/^$1: //p" "$here/prebuilt/PROVENANCE"
}

fail() {
    echo "kernel: $*" >&2
    exit 1
}

if [ "${1:-}" = --inputs ]; then
    inputs_hash
    exit
fi

[ -e "$here/prebuilt/PROVENANCE" ] || fail "prebuilt/PROVENANCE is missing: run 'make kernels'"

[ "$(inputs_hash)" = "$(recorded inputs-sha256)" ] ||
    fail "a configuration, patch or build.sh changed without a rebuild: run 'make kernels' and commit kernel/prebuilt"

for name in linux-um vmlinux-x86_64; do
    file=$here/prebuilt/$name.zst
    [ -e "$file" ] || fail "prebuilt/$name.zst is missing: run 'make kernels'"
    [ "$(sha256sum < "$file" | cut -d ' ' -f 1)" = "$(recorded "$name.zst-sha256")" ] ||
        fail "prebuilt/$name.zst is not the file PROVENANCE describes"
done
