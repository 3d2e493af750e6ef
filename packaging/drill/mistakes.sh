#!/bin/bash
# Five mistakes as people make them, and what `seawall check` says of each: `packaging/drill/mistakes.sh SEAWALL-BINARY`.
# Ends with 1 if one of them is taken for right, or if what is said does not name its line.
set -euo pipefail
binary="$(realpath "$1")"
dir="$(mktemp -d)"
trap 'rm -rf "$dir"' EXIT
cd "$dir"
printf '$TTL 60\n@ SOA ns h 1 60 60 60 60\n' > shop.test.zone

mistake() {
    local file="$2" line="$3" said
    echo "== $1"
    cat > "$file"
    if said="$("$binary" check -c "$file" 2>&1)"; then echo "NOT OK: it is taken for right"; exit 1; fi
    sed "s|$dir/||" <<< "$said"
    grep -qE "$file:$line\b" <<< "$said" || { echo "NOT OK: line $line is not named"; exit 1; }
}

mistake "a word with a letter wrong" seawall.yaml 4 << 'END'
version: 1
listen: [{ http: 8080 }]
sites:
  - { host: shop.test, rout: [{ path: /, to: "127.0.0.1:3000" }] }
END
mistake "a pool that nobody has defined" seawall.yaml 5 << 'END'
version: 1
listen: [{ http: 8080 }]
pools: { shop: { servers: ["127.0.0.1:3000"] } }
sites:
  - { host: shop.test, to: shoop }
END
mistake "a tab, as editors leave it" seawall.yaml 4 << 'END'
version: 1
listen: [{ http: 8080 }]
sites:
	- { host: shop.test, to: "127.0.0.1:3000" }
END
mistake "a duration without its unit, and a port that is none" seawall.yaml 3 << 'END'
version: 1
listen: [{ http: 8080 }]
defaults: { timeouts: { connect: soon } }
pools: { shop: { servers: ["127.0.0.1:99999"] } }
sites: [{ host: shop.test, to: shop }]
END
mistake "a semicolon that is missing in nginx.conf" nginx.conf 5 << 'END'
events {}
http {
    server {
        listen 8080
        server_name shop.test;
        location / { proxy_pass http://127.0.0.1:3000; }
    }
}
END
echo "ok: each of five mistakes is refused at its line"
