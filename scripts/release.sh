#!/usr/bin/env bash
# Builds warren as fast as it gets (`make release`): a first build counts which ways its code takes while it is given work, on
# RabbitMQ and PostgreSQL and alone, and what it has counted guides the compiler in the second. Half an hour on two cores.
# Prints where the binary is.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
llvm_profdata=$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata
[ -x "$llvm_profdata" ] || rustup component add llvm-tools >&2

target_dir=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
profiled=$target_dir/profiled
counts=$profiled/counts
mkdir -p "$profiled"
exec 9>"$profiled/lock"
flock --nonblock 9 || { echo "another scripts/release.sh works in $profiled" >&2; exit 1; }
rm -rf "$counts"
mkdir "$counts"

# shellcheck source=scripts/services.sh
. scripts/services.sh
trap stop_services EXIT
find_services
vhost=warren_release_$$
add_vhost "$vhost"

# `build FOLDER FLAG`. But for the flag both have to be the same, their `lto` as well: a function is known again by its symbol, which
# depends on them. With a target of its own, so that what cargo runs while it builds counts nothing.
build() {
  CARGO_ENCODED_RUSTFLAGS=$2 cargo build --release --locked --workspace --all-features --bin warren \
    --target "$host" --target-dir "$profiled/$1" 9>&-
}

# Nothing can be written there: the child that compiles components may write no file, and is stopped if it does. Where the others write is
# told them by LLVM_PROFILE_FILE.
build counting -Cprofile-generate=/dev/null/none
tasks-wasm/build.sh >&2

work() {
  (cd "$counts" && LLVM_PROFILE_FILE=$counts/%p-%m.profraw WARREN_COMPONENTS_URL=$target_dir/components \
    "$profiled/counting/$host/release/warren" bench "$@" >&2)
}
order='{"order_id":"o-17","currency":"EUR","tax_rate":"0.19","lines":[{"sku":"a-1","quantity":2,"unit_price":"12.50"}]}'
work --vhost "$vhost" --tasks 60000 --rates 100,2000 --seconds 5
work --vhost "$vhost" --only burn-down --tasks 60000 --without-ids
work --vhost "$vhost" --only burn-down --tasks 10000 --task process_order --payload "$order"
work --vhost "$vhost" --only burn-down --tasks 2000 --payload-bytes 10000
work --dev --only burn-down,events --tasks 40000

# What compiles components counted nothing, as it writes nothing, and TLS was not asked for: neither is to be taken for what is never used.
"$llvm_profdata" merge --no-function='cranelift|regalloc2|wasmparser|rustls|_ZN4ring' --output "$profiled/warren.profdata" "$counts"/*.profraw

build guided "-Cprofile-use=$profiled/warren.profdata"
echo "$profiled/guided/$host/release/warren"
