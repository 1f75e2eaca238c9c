#!/usr/bin/env bash
# For the Dockerfile: gives each member of the workspace an empty source, so that the dependencies can be built, and
# cached, before the sources are there. With --clean, removes what was built of the empty members.
set -euo pipefail
cd "$(dirname "$0")/.."

for manifest in $(find . -mindepth 2 -name Cargo.toml -not -path './target/*' -not -path './tasks-wasm/template/*'); do
  member=$(dirname "$manifest")
  if [ "${1:-}" = --clean ]; then
    cargo clean --release -p "$(sed -n 's/^name = "\(.*\)"/\1/p' "$manifest" | head -n 1)"
  else
    mkdir -p "$member/src"
    : >"$member/src/lib.rs"
    [ "$member" != ./runtime ] || echo 'fn main() {}' >"$member/src/main.rs"
    # What a manifest names by its path has to be there, too.
    for target in $(sed -n 's/^path = "\(.*\.rs\)"/\1/p' "$manifest"); do
      mkdir -p "$(dirname "$member/$target")"
      echo 'fn main() {}' >"$member/$target"
    done
  fi
done
