#!/usr/bin/env bash
# Runs an example beside the release build, on a virtual host and a database of its own: for measurements.
# release_example.sh EXAMPLE [ARGUMENTS…]
set -euo pipefail
cd "$(dirname "$0")/.."
example=$1
shift

tasks-wasm/build.sh
cargo build --release --locked -p warren --bin warren --example "$example"
target_dir=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')

# shellcheck source=scripts/services.sh
. scripts/services.sh
name=warren_${example}_$$
cleanup() {
  psql -q "$server" -c "DROP DATABASE IF EXISTS $name WITH (FORCE)" || true
  stop_services
}
find_services
server=$DATABASE_URL
trap cleanup EXIT
add_vhost "$name"
psql -q "$server" -c "CREATE DATABASE $name"
export RABBITMQ_URL="${RABBITMQ_URL%/}/$name" DATABASE_URL="${server%/*}/$name"
"$target_dir/release/examples/$example" "$@"
