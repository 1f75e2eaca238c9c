#!/usr/bin/env bash
# Runs the release build for a long time under a steady load and shows whether it grows, on a virtual host and a database
# of its own: `make soak MINUTES=… TASKS=…`, or scripts/soak.sh [MINUTES] [TASKS].
set -euo pipefail
cd "$(dirname "$0")/.."

tasks-wasm/build.sh
cargo build --release --locked -p warren --bin warren --example soak
target_dir=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')

# shellcheck source=scripts/services.sh
. scripts/services.sh
name=warren_soak_$$
cleanup() {
  rabbitmqctl -q delete_vhost "$name" 2>/dev/null || true
  psql -q "$server" -c "DROP DATABASE IF EXISTS $name WITH (FORCE)" || true
  stop_services
}
find_services
server=$DATABASE_URL
trap cleanup EXIT
rabbitmqctl -q add_vhost "$name"
rabbitmqctl -q set_permissions --vhost "$name" guest '.*' '.*' '.*'
psql -q "$server" -c "CREATE DATABASE $name"
export RABBITMQ_URL="${RABBITMQ_URL%/}/$name" DATABASE_URL="${server%/*}/$name"
"$target_dir/release/examples/soak" "${1:-30}" "${2:-5000000}"
