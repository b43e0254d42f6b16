#!/bin/sh
# Verify that a final kernel configuration really has what the fragments ask for.
#
# usage: check-config.sh <final .config> <fragment>...
#
# `make olddefconfig` drops an option whose dependencies are not met without a word;
# this turns the loss into an error.
set -eu

if [ $# -lt 2 ]; then
    echo "usage: ${0##*/} <final .config> <fragment>..." >&2
    exit 2
fi
config=$1
shift

cat "$@" | awk -v config="$config" '
    BEGIN {
        while ((status = (getline line < config)) > 0) {
            if (line ~ /^CONFIG_[A-Za-z0-9_]+=/) {
                split(line, part, "=")
                have[part[1]] = line
            }
        }
        if (status < 0) {
            print "cannot read " config
            exit bad = 1
        }
    }
    /^CONFIG_[A-Za-z0-9_]+=/ {
        split($0, part, "=")
        wanted++
        if (have[part[1]] != $0) {
            print "wanted " $0 ", got " (part[1] in have && have[part[1]] != "" ? have[part[1]] : "nothing")
            bad = 1
        }
    }
    /^# CONFIG_[A-Za-z0-9_]+ is not set$/ {
        wanted++
        if (have[$2] != "") {
            print "wanted " $2 " unset, got " have[$2]
            bad = 1
        }
    }
    END {
        if (!bad && wanted == 0) {
            print "no options in the fragments"
            bad = 1
        }
        exit bad
    }
' >&2
