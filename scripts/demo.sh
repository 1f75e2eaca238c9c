#!/usr/bin/env bash
# Builds what is needed, starts `warren dev` on nothing, runs the three components on real payloads through HTTP, prints
# each outcome and the rows, and stops it again. Leaves nothing running and no files outside the target folder.
set -euo pipefail
cd "$(dirname "$0")/.."
# what is set here for other purposes must not change what is shown
unset RABBITMQ_URL DATABASE_URL SERVICE_NAME ${!WARREN_@}

step() { printf '\n== %s\n' "$*"; }

step "Building the components and warren (the first time this takes some minutes)"
tasks-wasm/build.sh
# as `make test` does, with an example beside it: another selection would have other features, and compile 500 crates once more
cargo build --quiet --locked --workspace --all-features --bin warren --example soak
target_dir=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
warren=$target_dir/debug/warren
folder=$(mktemp -d "$target_dir/demo.XXXXXX")
log=$folder/log

step "Starting warren dev"
"$warren" dev --http-addr 127.0.0.1:0 --data "$folder/data" --components "$target_dir/components" >"$log" 2>&1 &
pid=$!
stop() {
  # it may have ended by itself
  kill "$pid" 2>/dev/null && wait "$pid" || true
  rm -rf "$folder"
}
trap stop EXIT
until url=$(sed -n 's/.*HTTP at \(http:[^ ,]*[0-9]\).*/\1/p' "$log" | head -n 1) && [ -n "$url" ]; do
  kill -0 "$pid" 2>/dev/null || { cat "$log"; exit 1; }
  sleep 0.1
done
echo "HTTP at $url"
export WARREN_URL=$url

# Asks over HTTP, waits, and prints the outcome, which has to be the expected one: outcome STATUS NAME PAYLOAD.
outcome() {
  local told
  # the exit code says whether the task FAILED, which is an outcome too
  told=$("$warren" task publish "$2" --payload "$3" --wait) || true
  grep -E '^(status|result|error) ' <<<"$told" | cut -c 1-110
  grep -qE "^status +$1\$" <<<"$told" || { echo "$2 is not $1: $told" >&2; exit 1; }
}

step "echo gives back what it gets"
outcome COMPLETED echo '{"hello": "world"}'

step "process_order computes with decimals"
outcome COMPLETED process_order @examples/payloads/order.json

step "process_order refuses an empty order, by a rule of its business"
outcome FAILED process_order @examples/payloads/empty_order.json

step "thumbnail makes a picture smaller"
outcome COMPLETED thumbnail @examples/payloads/picture.json

step "The rows"
"$warren" task list

step "Stopping"
kill -TERM "$pid"
wait "$pid"
tail -n 1 "$log"
