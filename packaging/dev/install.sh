#!/bin/bash
# Installs what a developer's machine or a CI runner lacks, and only that: `install.sh build [test] [bench] [deb] [dns]`.
# Works as root or with sudo; does nothing (and needs neither) when everything is there.
set -euo pipefail

# command -> Debian package
declare -A build=([cc]=gcc [make]=make [cmake]=cmake [curl]=curl)
declare -A test=([nginx]=nginx-light [dig]=dnsutils [haproxy]=haproxy [caddy]=caddy [slowhttptest]=slowhttptest [curl]=curl [openssl]=openssl [htpasswd]=apache2-utils [argon2]=argon2)
declare -A bench=([h2load]=nghttp2-client [openssl]=openssl [nginx]=nginx-light [wrk]=wrk [python3]=python3 [taskset]=util-linux)
# what asks name servers, signs zones for them and validates
declare -A dns=([dnsperf]=dnsperf [nsd]=nsd [knotd]=knot [named]=bind9 [ldns-signzone]=ldnsutils [unbound]=unbound [dnssec-cds]=bind9-utils [delv]=bind9-dnsutils [python3]=python3)
# what a package is made and judged with
declare -A deb=([dpkg-deb]=dpkg [strip]=binutils [objdump]=binutils [python3]=python3 [lintian]=lintian)
# what bodies are decoded with
test+=([gzip]=gzip [brotli]=brotli [zstd]=zstd)
# what answers over FastCGI
test+=([php-fpm]=php-fpm)
# the CA that certificates are asked of
test+=([pebble]=pebble)
# the browser that the console is looked at with
test+=([chromium]=chromium)
# what validates signed zones
test+=([delv]=bind9-dnsutils [ldns-verify-zone]=ldnsutils)
# name servers that zones are transferred from and to
test+=([knotd]=knot [nsd]=nsd [named]=bind9 [nsupdate]=dnsutils)
# readers of logs, metrics and alert rules
test+=([fail2ban-regex]=fail2ban [goaccess]=goaccess [jq]=jq [promtool]=prometheus [amtool]=prometheus-alertmanager)
# what makes the codes of tokens
test+=([oathtool]=oathtool)
# whose decisions are carried out
test+=([crowdsec]=crowdsec)
# servers that streams lead to
test+=([redis-server]=redis-server)

missing=()
want() {
    local -n commands=$1
    local command
    for command in "${!commands[@]}"; do
        # Debian's php-fpm has its version in its name.
        PATH="$PATH:/usr/sbin:/sbin" command -v "$command" >/dev/null ||
            compgen -G "/usr/sbin/$command[0-9]*" >/dev/null || missing+=("${commands[$command]}")
    done
}
for group in "${@:-build}"; do
    case "$group" in
        build | test | bench | deb | dns)
            want "$group"
            # The OWASP Core Rule Set, which has no command.
            [ "$group" != test ] || [ -e /usr/share/modsecurity-crs/owasp-crs.load ] || missing+=(modsecurity-crs)
            ;;
        *) echo "install.sh: unknown group $group (build, test, bench, deb, dns)" >&2; exit 2 ;;
    esac
done

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}
if [ ${#missing[@]} -gt 0 ]; then
    echo "installing ${missing[*]}"
    as_root apt-get update -qq
    # With a file that is not empty the package opens no account at CrowdSec's central API.
    if [[ " ${missing[*]} " == *" crowdsec "* && ! -s /etc/crowdsec/online_api_credentials.yaml ]]; then
        as_root mkdir -p /etc/crowdsec
        echo "# none" | as_root tee /etc/crowdsec/online_api_credentials.yaml >/dev/null
    fi
    # The packages' services stay stopped: the tests start their own.
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${missing[@]}"
fi

if ! command -v cargo >/dev/null; then
    echo "installing Rust with rustup"
    curl --proto '=https' --tlsv1.2 -fsS https://sh.rustup.rs | sh -s -- -y --profile minimal
    echo "cargo is in ~/.cargo/bin: open a new shell, or . ~/.cargo/env, and run make again" >&2
    exit 1
fi
for tool in rustfmt clippy; do
    case " $* " in *" test "*) cargo "${tool/rustfmt/fmt}" --version >/dev/null 2>&1 || rustup component add "$tool" ;; esac
done
