#!/bin/bash
# What chroot.sh runs inside after the package's life: the commands of README.md, from `dpkg -i` to HTTPS, as they stand there.
#
# The name is another one: no CA signs names below `.example`, so we ask none for them. What a minimal chroot lacks is put in their place: `sudo` is nobody, `systemctl reload` does what the unit's ExecReload does,
# and the CA is pebble, whose address the configuration gets after it was written.
set -euo pipefail
export PATH=/drill/bin:/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C
fails() { echo "NOT OK: $1"; exit 1; }

mkdir -p /drill/bin /drill/here
printf '#!/bin/sh\nexec "$@"\n' > /drill/bin/sudo
printf '#!/bin/sh\n[ "$*" = "reload seawall" ] && exec seawall reload -c /etc/seawall/seawall.yaml\n' > /drill/bin/systemctl
chmod +x /drill/bin/sudo /drill/bin/systemctl
cp /drill/new.deb /drill/here/seawall_new.deb
cd /drill/here
echo '127.0.0.1 localhost shop.drill.dev' > /etc/hosts
perl -MIO::Socket::INET -e '
    my $s = IO::Socket::INET->new(LocalAddr => "127.0.0.1:3000", Listen => 9, ReuseAddr => 1) or die;
    while (my $c = $s->accept) { while (<$c>) { last if /^\r?$/ } print $c "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nshop\n"; close $c }' & shop=$!
cat > pebble.json << 'END'
{"pebble": {"listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000", "certificate": "/drill/pebble.pem",
 "privateKey": "/drill/pebble.key", "httpPort": 80, "tlsPort": 443, "ocspResponderURL": ""}}
END
PEBBLE_VA_NOSLEEP=1 /drill/pebble -config pebble.json > pebble.out 2>&1 & pebble=$!
trap 'kill $shop $pebble 2> /dev/null; [ ! -e /run/seawall/seawall.pid ] || kill -TERM "$(cat /run/seawall/seawall.pid)"' EXIT
for _ in $(seq 100); do curl -s --cacert /drill/ca.pem https://localhost:15000/roots/0 > root.pem && break; sleep 0.1; done
export CURL_CA_BUNDLE=/drill/here/root.pem

started() {
    install -d -m 0755 -o seawall -g seawall /run/seawall
    install -m 0644 /drill/ca.pem /etc/seawall/drill-ca.pem
    setpriv --reuid seawall --regid seawall --init-groups --inh-caps=-all,+net_bind_service --ambient-caps=-all,+net_bind_service \
        --bounding-set=-all,+net_bind_service --no-new-privs seawall run -c /etc/seawall/seawall.yaml < /dev/null > /tmp/https.out 2>&1 &
    for _ in $(seq 100); do curl -s -o /dev/null http://127.0.0.1/ && return; sleep 0.1; done
    cat /tmp/https.out; fails "the daemon starts"
}

# A command is a line, or a line with a here-document.
awk '/^<!-- the six commands -->/ { on = 1; next } on && /^```sh/ { body = 1; next } body && /^```/ { exit } body' \
    /usr/share/doc/seawall/README.md 2> /dev/null > commands || true
[ -s commands ] || { dpkg-deb --fsys-tarfile seawall_new.deb | tar -xO ./usr/share/doc/seawall/README.md | awk '/^<!-- the six commands -->/ { on = 1; next } on && /^```sh/ { body = 1; next } body && /^```/ { exit } body' > commands; }
sed -i 's/shop\.example/shop.drill.dev/g' commands
count=0 pending="" end=""
typed() {
    count=$((count + 1))
    echo "$ ${1%%$'\n'*}"
    case "$1" in
    *curl*)
        # A certificate takes a moment; a person would press the key again.
        for _ in $(seq 60); do said="$(bash -c "$1" 2> curl.err)" && break; sleep 0.5; said=""; done
        [ "$said" = shop ] || { cat curl.err; seawall cert why shop.drill.dev -c /etc/seawall/seawall.yaml || true; tail -n 20 /var/log/seawall/error.log; fails "HTTPS"; }
        echo "$said"
        ;;
    *) bash -c "$1" > out 2>&1 || { cat out; fails "$1"; } ;;
    esac
    case "$1" in
    *"dpkg -i"*) started ;;
    *shop.yaml*) sed -i 's|agree_tos: true|agree_tos: true, directory: "https://localhost:14000/dir", ca: /etc/seawall/drill-ca.pem|' /etc/seawall/sites.d/shop.yaml ;;
    esac
}
while IFS= read -r line; do
    if [ -n "$end" ]; then
        pending+=$'\n'"$line"
        [ "$line" != "$end" ] || { end=""; typed "$pending"; }
    elif [[ "$line" == *"<<'END'" ]]; then
        pending="$line" end=END
    else
        typed "$line"
    fi
done < commands
[ "$count" -gt 0 ] && [ "$count" -le 6 ] || fails "$count commands, not six at most"
echo "ok: $count commands from dpkg -i to HTTPS, as README.md has them"
