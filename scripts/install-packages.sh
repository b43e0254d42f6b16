#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Install the Debian packages of the named groups of packages.txt that are
# missing. Needs root (or sudo) only when something is missing. With --unless
# FILE first, nothing is, when that file is there: it may come from elsewhere.
set -eu

if [ "$1" = --unless ]; then
	[ ! -e "$2" ] || exit 0
	shift 2
fi

list=$(dirname "$0")/packages.txt
missing=
for group in "$@"; do
	names=$(sed -n "s/^$group://p" "$list")
	if [ -z "$names" ]; then
		echo "install-packages: no group '$group' in $list" >&2
		exit 2
	fi
	for name in $names; do
		status=$(dpkg-query -W -f '${db:Status-Status}' "$name" \
			2>/dev/null) || status=
		[ "$status" = installed ] || missing="$missing $name"
	done
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "install-packages: please install as root:" >&2
		echo "  apt-get install$missing" >&2
		exit 1
	fi
	as_root=sudo
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive

# Some are servers the tests start themselves; nobody asked for them as
# services of this machine.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
	trap '$as_root rm -f "$policy"' EXIT
	trap 'exit 1' INT TERM HUP
	printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" >/dev/null
	$as_root chmod 755 "$policy"
fi
# shellcheck disable=SC2086 # word splitting is the point
$as_root apt-get install -y --no-install-recommends $missing >/dev/null ||
	{ $as_root apt-get update &&
	  $as_root apt-get install -y --no-install-recommends $missing; }
