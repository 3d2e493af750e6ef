#!/bin/bash
# What chroot.sh runs inside: the life of the package. Prints a line for each thing that holds and ends at the first that does not.
set -euo pipefail
export PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C
old=/drill/old.deb new=/drill/new.deb

holds() { echo "ok: $1"; }
fails() { echo "NOT OK: $1"; exit 1; }
expect() { local what="$1"; shift; if "$@"; then holds "$what"; else fails "$what"; fi; }
# dev, proc, tmp and what apt itself writes are nobody's doing; the rest of the tree with modes and owners.
tree() {
    find / -xdev \( -path /drill -o -path /proc -o -path /dev -o -path /tmp -o -path /var/lib/dpkg -o -path /var/cache/debconf -o -path /var/log/dpkg.log \) -prune -o -printf '%M %u:%g %p\n' | sort -k3
}
version() { dpkg-query -W -f '${Version}' seawall; }
listening() { awk 'FNR > 1 && $4 == "0A" { split($2, a, ":"); print strtonum("0x" a[2]) }' /proc/net/tcp /proc/net/tcp6 2> /dev/null | sort -nu | tr '\n' ' '; }
welcome() { curl -sS -m 10 http://127.0.0.1/ | grep -q 'sudo systemctl reload seawall'; }
mode() { stat -c '%a %U:%G' "$1"; }
pid() { cat /run/seawall/seawall.pid; }
wait_for() { for _ in $(seq 100); do "$@" > /dev/null 2>&1 && return 0; sleep 0.1; done; return 1; }

# As the unit does: the user, the one capability, the directory in /run.
start() {
    install -d -m 0755 -o seawall -g seawall /run/seawall
    setpriv --reuid seawall --regid seawall --init-groups --inh-caps=-all,+net_bind_service \
        --ambient-caps=-all,+net_bind_service --bounding-set=-all,+net_bind_service --no-new-privs \
        seawall run -c /etc/seawall/seawall.yaml < /dev/null > /tmp/daemon.out 2>&1 &
    wait_for welcome || { cat /tmp/daemon.out; fails "the daemon starts"; }
}

command -v gawk > /dev/null || listening() { perl -ne 'next unless /^\s*\d+: \S+:(\S{4}) \S+ 0A/; $p{hex $1}=1; END { print join(" ", sort { $a <=> $b } keys %p), " " }' /proc/net/tcp /proc/net/tcp6; }

tree > /tmp/before

echo "== install"
dpkg -i "$old" > /tmp/out 2>&1 || { cat /tmp/out; fails "dpkg -i"; }
expect "state is 0700 and seawall's: $(mode /var/lib/seawall)" [ "$(mode /var/lib/seawall)" = "700 seawall:seawall" ]
expect "logs are seawall:adm: $(mode /var/log/seawall)" [ "$(mode /var/log/seawall)" = "750 seawall:adm" ]
expect "the configuration that is installed is right" seawall check -c /etc/seawall/seawall.yaml
expect "nothing listens: $(listening)" [ -z "$(listening | tr -d ' ')" ]
start
expect "the welcome page is on port 80" welcome
expect "and nothing else is open: $(listening)" [ "$(listening)" = "80 " ]
worker="$(pgrep -P "$(pid)")"
pss() { awk '/^Pss:/ { s += $2 } /^Pss_Anon:/ { a += $2 } END { printf "%d MiB (%d of its own)", s / 1024, a / 1024 }' "/proc/$1/smaps_rollup"; }
holds "idle, resident: keeper $(pss "$(pid)"), worker $(pss "$worker"), $(getconf _NPROCESSORS_ONLN) processors"
expect "the worker's capabilities are net_bind_service alone" grep -q '^CapBnd:.*0000000000000400$' "/proc/$worker/status"

echo "== upgrade under load"
perl /drill/load.pl 80 /tmp/stop > /tmp/load 2>&1 & loader=$!
sleep 1
keeper="$(pid)" before="$worker"
dpkg -i "$new" > /tmp/out 2>&1 || { cat /tmp/out; fails "dpkg -i of the new version"; }
grep -q '^upgraded to' /tmp/out || { cat /tmp/out; fails "postinst said that it is upgraded"; }
holds "$(grep '^upgraded to' /tmp/out)"
expect "the keeper is the same process" [ "$keeper" = "$(pid)" ]
now="$(pgrep -n -P "$(pid)")"
expect "the worker is another one" [ "$before" != "$now" ]
expect "the binary that runs is the one on the disk" [ "$(readlink "/proc/$(pid)/exe")" = /usr/bin/seawall ]

echo "== a configuration that the new version cannot serve"
cp -p /etc/seawall/seawall.yaml /tmp/good.yaml
dpkg -i "$old" > /tmp/out 2>&1 || { cat /tmp/out; fails "downgrade"; }
# Two seconds: the daemon watches its file, refuses it and serves on.
echo 'nonsense: 1' >> /etc/seawall/seawall.yaml
now="$(pgrep -n -P "$(pid)")"
if dpkg -i --force-confold "$new" > /tmp/out 2>&1; then fails "dpkg -i should have failed"; fi
holds "dpkg -i fails: $(grep 'cannot serve' /tmp/out | head -n 1)"
expect "it shows the line" grep -q 'nonsense: 1' /tmp/out
expect "the one before serves on" welcome
expect "by the same worker" [ "$now" = "$(pgrep -n -P "$(pid)")" ]
cp -p /tmp/good.yaml /etc/seawall/seawall.yaml
dpkg --configure seawall > /tmp/out 2>&1 || { cat /tmp/out; fails "dpkg --configure"; }
holds "mended: $(grep '^upgraded to' /tmp/out)"

echo "== a conffile of one's own, and the version before"
sed -i 's/level: notice/level: info/' /etc/seawall/seawall.yaml
dpkg -i --force-confold "$old" > /tmp/out 2>&1 || { cat /tmp/out; fails "downgrade"; }
expect "the change is kept" grep -q 'level: info' /etc/seawall/seawall.yaml
expect "the version before is installed: $(version)" dpkg --compare-versions "$(version)" lt "$(dpkg-deb -f "$new" Version)"
expect "and serves" welcome
touch /tmp/stop
wait "$loader" || { cat /tmp/load; fails "no request is lost by upgrades and downgrades"; }
holds "no request is lost by two upgrades, a refused one and two downgrades: $(cat /tmp/load)"

echo "== remove"
echo secret > /var/lib/seawall/key.pem
chown seawall: /var/lib/seawall/key.pem
dpkg -r seawall > /tmp/out 2>&1 || { cat /tmp/out; fails "dpkg -r"; }
expect "the daemon has ended" [ ! -e /run/seawall/seawall.pid ]
expect "state and configuration are kept" [ -e /var/lib/seawall/key.pem -a -e /etc/seawall/seawall.yaml ]
expect "the programs are gone" [ ! -e /usr/bin/seawall ]

echo "== purge, unasked"
dpkg -P seawall > /tmp/out 2>&1 || { cat /tmp/out; fails "dpkg -P"; }
expect "the keys are kept, and it says so" grep -q '/var/lib/seawall is kept' /tmp/out
expect "they are there" [ -e /var/lib/seawall/key.pem ]
expect "caches, logs and configuration are gone" [ ! -e /var/log/seawall -a ! -e /var/cache/seawall -a ! -e /etc/seawall ]

echo "== purge, asked for"
dpkg -i "$new" > /tmp/out 2>&1 || { cat /tmp/out; fails "dpkg -i"; }
expect "the keys of before are there again" [ -e /var/lib/seawall/key.pem ]
echo "seawall seawall/purge-state boolean true" | debconf-set-selections
dpkg -P seawall > /tmp/out 2>&1 || { cat /tmp/out; fails "dpkg -P"; }
expect "the keys are gone" [ ! -e /var/lib/seawall ]
tree > /tmp/after
if diff /tmp/before /tmp/after > /tmp/left; then
    holds "nothing at all is left"
else
    # The user stays, as for every Debian daemon, so that its number is not given to another.
    if grep '^[<>]' /tmp/left | grep -vE ' /etc/(passwd|group|shadow|gshadow|subuid|subgid)-?$|\.pwd\.lock$|/etc/(passwd|group|shadow|gshadow)\.' ; then
        fails "something is left"
    fi
    holds "nothing is left but the user"
fi
echo "the package lives as it should"
