#!/bin/bash
# The package's life in a minimal Debian: install, upgrade and downgrade under load, a refused upgrade, remove, purge.
#
#     packaging/drill/chroot.sh OLD.deb NEW.deb [BASE]
#
# BASE is a directory that debootstrap made, or is to make (it takes a minute and needs a mirror). The drill works on a copy
# of it, in a network of its own where only the loopback is. Root only.
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
old="$(realpath "$1")" new="$(realpath "$2")" base="${3:-/var/tmp/seawall-drill-base}"
if [ ! -e "$base/usr/bin/dpkg" ]; then
    debootstrap --variant=minbase \
        --include=systemd-standalone-sysusers,init-system-helpers,procps,util-linux,curl,ca-certificates \
        bookworm "$base" "${MIRROR:-http://deb.debian.org/debian}" > /dev/null
fi
root="$(mktemp -d)"
trap 'rm -rf "$root"' EXIT
cp -a "$base/." "$root"
mkdir "$root/drill"
cp "$here/load.pl" "$here/inside.sh" "$root/drill"
cp "$old" "$root/drill/old.deb"
cp "$new" "$root/drill/new.deb"
unshare --net --pid --mount --fork --kill-child bash -euc '
    ip link set lo up 2> /dev/null || ifconfig lo up
    mount -t proc proc "$1/proc"
    mount -t tmpfs tmpfs "$1/tmp"
    mount --rbind /dev "$1/dev"
    exec chroot "$1" /bin/bash /drill/inside.sh
' bash "$root"
