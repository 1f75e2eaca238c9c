#!/usr/bin/env bash
# Makes `cargo build --target wasm32-wasip2` work. Does nothing where the target is installed; otherwise asks rustup.
# Where rustup is missing or its server can't be reached, and apt-get is there, builds the standard library for the
# target from Debian's packages `rust-src` (of exactly this rustc's version) and `wasi-libc`, into rustc's sysroot:
# about 35 s and 50 MB of downloads, with a Debian mirror from the machine's own apt sources.
# On Linux and macOS (bash 3.2).
set -euo pipefail

target=wasm32-wasip2

fail() {
  echo "$0: $1" >&2
  echo "$0: install the target by hand: rustup target add $target (rustup itself: https://rustup.rs)" >&2
  exit 1
}

command -v rustc >/dev/null || fail "rustc is not on the PATH"
libdir=$(rustc --print target-libdir --target "$target" 2>/dev/null) || fail "$(rustc --version) does not know $target"

installed() { compgen -G "$libdir/libstd-*.rlib" >/dev/null; }

# macOS has no `timeout`; there rustup's own limits have to do.
with_timeout() { if command -v timeout >/dev/null; then timeout 60 "$@"; else "$@"; fi; }

installed && exit 0
if command -v rustup >/dev/null; then
  if with_timeout rustup target add "$target" && installed; then exit 0; fi
  reason="rustup could not install $target"
else
  reason="$target is not installed, and rustup is not on the PATH"
fi
for tool in apt-get apt-cache dpkg; do
  command -v "$tool" >/dev/null || fail "$reason"
done

echo "$0: $reason; building its standard library from Debian's packages" >&2
work=$(mktemp -d)
sysroot=$(rustc --print sysroot)
source_link=$sysroot/lib/rustlib/src/rust
[ -e "$source_link" ] && [ ! -L "$source_link" ] && fail "$reason, and $source_link is in the way"
trap 'rm -rf "$work"; [ -L "$source_link" ] && rm -f "$source_link"; rmdir "$sysroot/lib/rustlib/src" 2>/dev/null || true' EXIT

# A private apt configuration: the mirror the machine already uses, with the suites that carry newer packages.
mirror=$({ cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources /etc/apt/sources.list.d/*.list 2>/dev/null || true; } |
  grep -v '^ *#' | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -n 1 | tr -d ' ' || true)
[ -n "$mirror" ] || fail "$reason, and the apt sources name no Debian mirror"
mkdir -p "$work"/{lists/partial,cache/archives/partial,std/src}
for suite in trixie-backports forky sid trixie; do
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main"
done >"$work/sources.list"
apt=(-o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null -o "Dir::State::Lists=$work/lists"
  -o "Dir::Cache=$work/cache" -o APT::Sandbox::User=root -qq)
apt-get "${apt[@]}" update

release=$(rustc -vV | sed -n 's/^release: //p')
version() { apt-cache "${apt[@]}" madison "$1" | awk -F'|' '{gsub(/ /, "", $2); print $2}' | grep -m 1 -E "^$2"; }
rust_src=$(version rust-src "${release//./\\.}[+]") || fail "$reason, and Debian has no rust-src $release"
wasi_libc=$(version wasi-libc '0\.0~git2026') || fail "$reason, and Debian has no wasi-libc with $target"
(cd "$work" && apt-get "${apt[@]}" download "rust-src=$rust_src" "wasi-libc=$wasi_libc" && for deb in *.deb; do dpkg -x "$deb" root; done)

mkdir -p "$libdir/self-contained" "$(dirname "$source_link")"
cp "$work/root/usr/lib/$target"/{crt1-command.o,crt1-reactor.o,libc.a} "$libdir/self-contained/"
ln -sfn "$work"/root/usr/src/rustc-* "$source_link"
printf '[package]\nname = "std_for_target"\nversion = "0.0.0"\nedition = "2021"\n' >"$work/std/Cargo.toml"
: >"$work/std/src/lib.rs"
# Bitcode is embedded so that what links against the library can use link-time optimisation.
(cd "$work/std" && RUSTC_BOOTSTRAP=1 RUSTFLAGS='-C embed-bitcode=yes' CARGO_TARGET_DIR="$work/target" \
  cargo build --quiet --release --target "$target" -Zbuild-std=std,panic_abort,panic_unwind,proc_macro,test)
rm -f "$work/target/$target/release/deps/"libstd_for_target-*
cp "$work/target/$target/release/deps/"lib*.rlib "$libdir/"
installed || fail "the standard library was built, and rustc still does not find it in $libdir"
