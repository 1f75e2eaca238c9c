#!/usr/bin/env bash
# Measures the release build: `make bench-here`, or scripts/bench.sh [OPTIONS OF warren bench]… Makes the virtual host that
# `warren bench` takes, and deletes it at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

tasks-wasm/build.sh
# the same selection as the comparison with others has: another one would have other features, and compile everything anew
cargo build --release --locked --workspace --all-features --bin warren --bin bench
target_dir=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')

# shellcheck source=scripts/services.sh
. scripts/services.sh
trap stop_services EXIT
find_services
vhost=warren_bench_$$
add_vhost "$vhost"
export WARREN_COMPONENTS_URL=${WARREN_COMPONENTS_URL:-$target_dir/components}
"$target_dir/release/warren" bench --vhost "$vhost" "$@"
