#!/usr/bin/env bash
# Builds warren as fast as it gets (`make release`): a first build counts which ways its code takes while it is given work, on
# RabbitMQ and PostgreSQL and alone, and what it has counted guides the compiler in the second. Half an hour on two cores. Prints
# where the binary is.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
llvm_profdata=$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata
[ -x "$llvm_profdata" ] || rustup component add llvm-tools

target_dir=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
profiled=$target_dir/profiled
counts=$profiled/counts
rm -rf "$counts"
mkdir -p "$counts"
# With a target of its own, so that what cargo runs while it builds counts nothing.
build() { cargo build --release --locked --workspace --all-features --bin warren --target "$host" --target-dir "$profiled/$1"; }

# Nothing can be written there: the child that compiles components may write no file, and is stopped if it does. Where the others write is
# told them by LLVM_PROFILE_FILE.
RUSTFLAGS="-Cprofile-generate=/dev/null/none" CARGO_PROFILE_RELEASE_LTO=off build counting
tasks-wasm/build.sh

# shellcheck source=scripts/services.sh
. scripts/services.sh
find_services
vhost=warren_release_$$
cleanup() {
  rabbitmqctl -q delete_vhost "$vhost" 2>/dev/null || true
  stop_services
}
trap cleanup EXIT
add_vhost "$vhost"
export WARREN_COMPONENTS_URL=$target_dir/components
work() { (cd "$counts" && LLVM_PROFILE_FILE=$counts/%p-%m.profraw "$profiled/counting/$host/release/warren" bench "$@"); }
work --vhost "$vhost" --tasks 60000 --rates 100,2000 --seconds 5
work --vhost "$vhost" --only burn-down --tasks 60000 --without-ids
work --dev --only burn-down,events --tasks 40000
"$llvm_profdata" merge --output "$profiled/warren.profdata" "$counts"/*.profraw

RUSTFLAGS="-Cprofile-use=$profiled/warren.profdata" build guided
echo "$profiled/guided/$host/release/warren"
