#!/bin/bash
# Builds the Debian package: `packaging/build-deb.sh [--profile release] [--no-build] [--out DIR]`.
#
# Needs dpkg-deb and cargo, nothing of debhelper. The same sources and the same compiler give the same bytes: names, order,
# modes, owners and times are fixed (SOURCE_DATE_EPOCH, the last commit's time if it is not set), paths of the builder are
# mapped away, and so is everything that a clock or a machine would say.
set -euo pipefail
cd "$(dirname "$0")/.."
umask 022
export LC_ALL=C TZ=UTC

profile=release
build=yes
out="${CARGO_TARGET_DIR:-target}/deb"
while [ $# -gt 0 ]; do
    case "$1" in
    --profile) profile="$2"; shift 2 ;;
    --no-build) build=no; shift ;;
    --out) out="$2"; shift 2 ;;
    *) echo "build-deb.sh: unknown argument $1" >&2; exit 2 ;;
    esac
done
folder="$profile"
[ "$profile" != dev ] || folder=debug
target="${CARGO_TARGET_DIR:-target}"

commit="$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)"
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct 2>/dev/null || echo 0)}"
export SOURCE_DATE_EPOCH
upstream="$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)"
# Every commit has its own version, and later ones sort behind earlier ones.
: "${SEAWALL_DEB_VERSION:=$upstream+git$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S).$commit}"
version="$SEAWALL_DEB_VERSION"
arch="$(dpkg --print-architecture)"

if [ "$build" = yes ]; then
    # Where it was built is nobody's business, and would make two builders' files differ.
    export RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$PWD=/build --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
    # The same for the C parts of dependencies, whose messages name their files.
    export CFLAGS="${CFLAGS:-} -ffile-prefix-map=$PWD=/build -ffile-prefix-map=${CARGO_HOME:-$HOME/.cargo}=/cargo"
    SEAWALL_COMMIT="$commit" cargo build --locked --profile "$profile" -p seawall -p origin-demo
fi

root="$(mktemp -d)"
trap 'rm -rf "$root"' EXIT
chmod 0755 "$root"
put() { install -D -m "$1" "$2" "$root/$3"; }

cargo metadata --locked --format-version 1 --filter-platform "$(rustc -vV | sed -n 's/^host: //p')" > "$root/metadata.json"
# What each was built of, for scanners: see dependencies.py.
for program in seawall origin-demo; do
    python3 packaging/dependencies.py "$program" "$root/metadata.json" > "$root/$program.deps"
    put 0755 "$target/$folder/$program" "usr/bin/$program"
    strip --strip-unneeded --remove-section=.comment --remove-section=.note "$root/usr/bin/$program"
    objcopy --add-section ".dep-v0=$root/$program.deps" "$root/usr/bin/$program"
    rm "$root/$program.deps"
done
put 0644 packaging/systemd/seawall.service usr/lib/systemd/system/seawall.service
put 0644 packaging/systemd/seawall.sysusers usr/lib/sysusers.d/seawall.conf
put 0644 packaging/systemd/seawall.tmpfiles usr/lib/tmpfiles.d/seawall.conf
put 0644 packaging/etc/seawall.yaml etc/seawall/seawall.yaml
install -d -m 0755 "$root/etc/seawall/sites.d"
put 0644 packaging/etc/logrotate etc/logrotate.d/seawall
put 0644 packaging/ufw/seawall etc/ufw/applications.d/seawall
put 0644 packaging/apparmor/usr.bin.seawall etc/apparmor.d/usr.bin.seawall
put 0644 packaging/share/welcome/index.html usr/share/seawall/welcome/index.html
for place in grafana prometheus; do
    [ -d "packaging/$place" ] || continue
    find "packaging/$place" -type f ! -name '*.py' ! -name '*.test.yml' | sort | while read -r file; do
        put 0644 "$file" "usr/share/seawall/${file#packaging/}"
    done
done
find packaging/runbooks -type f | sort | while read -r file; do
    put 0644 "$file" "usr/share/doc/seawall/runbooks/$(basename "$file")"
done
find conf/samples -type f | sort | while read -r file; do
    put 0644 "$file" "usr/share/doc/seawall/examples/${file#conf/samples/}"
done
# Keys of examples are examples; nobody is to use them.
put 0644 README.md usr/share/doc/seawall/README.md
put 0644 packaging/deb/copyright usr/share/doc/seawall/copyright
put 0644 packaging/deb/lintian-overrides usr/share/lintian/overrides/seawall
gzip -9n < CHANGELOG.md > "$root/usr/share/doc/seawall/NEWS.gz"
{
    echo "seawall ($version) unstable; urgency=medium"
    echo
    echo "  * Built from commit $commit; NEWS.gz says what is new."
    echo
    echo " -- Seawall maintainers <maintainers@seawall.example>  $(date -u -R -d "@$SOURCE_DATE_EPOCH")"
} | gzip -9n > "$root/usr/share/doc/seawall/changelog.gz"
python3 packaging/sbom.py seawall,origin-demo "$version" "$SOURCE_DATE_EPOCH" Cargo.lock "$root/metadata.json" > "$root/usr/share/doc/seawall/sbom.cdx.json"
rm "$root/metadata.json"
install -d "$root/usr/share/man/man8" "$root/usr/share/man/man1"
# Both are made from the command line's own definition.
"$target/$folder/seawall" man | gzip -9n > "$root/usr/share/man/man8/seawall.8.gz"
complete() { install -d "$root/$(dirname "$2")"; "$target/$folder/seawall" completions "$1" > "$root/$2"; chmod 0644 "$root/$2"; }
complete bash usr/share/bash-completion/completions/seawall
complete zsh usr/share/zsh/vendor-completions/_seawall
complete fish usr/share/fish/vendor_completions.d/seawall.fish
gzip -9n < packaging/man/origin-demo.1 > "$root/usr/share/man/man1/origin-demo.1.gz"
find "$root/usr" -name '*.gz' -exec chmod 0644 {} +
chmod 0644 "$root/usr/share/doc/seawall/sbom.cdx.json"

# The C library that the binaries ask for: the newest of their symbols' versions.
libc="$(objdump -T "$root/usr/bin/seawall" "$root/usr/bin/origin-demo" | grep -o 'GLIBC_[0-9.]*' | sort -uV | tail -n 1 | cut -d_ -f2)"
size="$(du -sk --apparent-size "$root" | cut -f1)"
install -d -m 0755 "$root/DEBIAN"
sed -e "s/@version@/$version/" -e "s/@arch@/$arch/" -e "s/@size@/$size/" -e "s/@libc@/${libc:-2.36}/" packaging/deb/control.in > "$root/DEBIAN/control"
install -m 0644 packaging/deb/conffiles packaging/deb/templates "$root/DEBIAN/"
install -m 0755 packaging/deb/preinst packaging/deb/postinst packaging/deb/prerm packaging/deb/postrm packaging/deb/config "$root/DEBIAN/"
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum > DEBIAN/md5sums)
find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +

mkdir -p "$out"
deb="$out/seawall_${version}_$arch.deb"
dpkg-deb --root-owner-group -Zxz -z6 --uniform-compression --build "$root" "$deb" > /dev/null
(cd "$out" && sha256sum "$(basename "$deb")" > "$(basename "$deb").sha256")
echo "$deb"
