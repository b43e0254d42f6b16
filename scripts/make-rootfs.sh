#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Lay out a small root directory from Debian's static busybox:
#   make-rootfs.sh DIRECTORY
set -eu
umask 022

dest=$1
busybox=$(command -v busybox) || {
	echo "make-rootfs: busybox not found: apt-get install busybox-static" >&2
	exit 1
}
rm -rf "$dest.new"
mkdir -p "$dest.new/bin" "$dest.new/etc" "$dest.new/root" "$dest.new/tmp" \
	"$dest.new/var/tmp" "$dest.new/home" "$dest.new/proc" \
	"$dest.new/sys" "$dest.new/dev" "$dest.new/run" "$dest.new/mnt"
chmod 1777 "$dest.new/tmp" "$dest.new/var/tmp"
chmod 700 "$dest.new/root"
ln -s bin "$dest.new/sbin"
mkdir "$dest.new/usr"
ln -s ../bin "$dest.new/usr/bin"
ln -s ../bin "$dest.new/usr/sbin"
cp "$busybox" "$dest.new/bin/busybox"
"$busybox" --list | while read -r applet; do
	[ "$applet" = busybox ] || ln -sf busybox "$dest.new/bin/$applet"
done
cat >"$dest.new/etc/passwd" <<-'END'
	root:x:0:0:root:/root:/bin/sh
	daemon:x:1:1:daemon:/:/bin/false
	user:x:1000:1000:user:/home:/bin/sh
	nobody:x:65534:65534:nobody:/:/bin/false
END
cat >"$dest.new/etc/group" <<-'END'
	root:x:0:
	daemon:x:1:
	tty:x:5:
	staff:x:50:user
	user:x:1000:
	nogroup:x:65534:
END
rm -rf "$dest"
mv "$dest.new" "$dest"
