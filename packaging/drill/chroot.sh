#!/bin/bash
# The package's life in a minimal Debian: install, upgrade and downgrade under load, a refused upgrade, remove, purge; then
# the commands of README.md from a new package to HTTPS, with pebble (from this machine) as the CA.
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
cp "$here/load.pl" "$here/inside.sh" "$here/https.sh" "$root/drill"
cp "$(command -v pebble)" "$root/drill/pebble"
(
    cd "$root/drill"
    new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -addext "subjectAltName=DNS:$1" "${@:2}" 2> /dev/null; }
    new drill -x509 -days 2 -keyout ca.key -out ca.pem
    new localhost -keyout pebble.key -out pebble.csr
    openssl x509 -req -in pebble.csr -CA ca.pem -CAkey ca.key -days 2 -copy_extensions copy -out pebble.pem 2> /dev/null
)
cp "$old" "$root/drill/old.deb"
cp "$new" "$root/drill/new.deb"
unshare --net --pid --mount --fork --kill-child bash -euc '
    ip link set lo up 2> /dev/null || ifconfig lo up
    mount -t proc proc "$1/proc"
    mount -t tmpfs tmpfs "$1/tmp"
    mount --rbind /dev "$1/dev"
    chroot "$1" /bin/bash /drill/inside.sh
    chroot "$1" /bin/bash /drill/https.sh
' bash "$root"
