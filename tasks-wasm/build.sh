#!/usr/bin/env bash
# Builds the components that ship with the project and puts them, by name, into a folder a runtime can serve:
# ${CARGO_TARGET_DIR:-target}/components/<name>.wasm. From any directory, on Linux and macOS (bash 3.2).
# With a folder and names, `build.sh guests attacker`, it builds those into that folder.
set -euo pipefail

folder=${1:-components}
shift || true
names=${*:-echo process_order thumbnail}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# A relative CARGO_TARGET_DIR is meant from where the caller stands.
target_dir=${CARGO_TARGET_DIR:-$root/target}
case $target_dir in /*) ;; *) target_dir=$PWD/$target_dir ;; esac
export CARGO_TARGET_DIR=$target_dir

"$root/scripts/wasip2-target.sh"

packages=()
for name in $names; do packages+=(-p "$name"); done
(cd "$root" && cargo build --profile component --target wasm32-wasip2 "${packages[@]}")

components=$target_dir/$folder
mkdir -p "$components"
for name in $names; do
  # A runtime may be watching the folder: it sees the old file or the new one, never half of one.
  temporary=$components/.$name.$$
  cp "$target_dir/wasm32-wasip2/component/$name.wasm" "$temporary"
  chmod 644 "$temporary"
  mv -f "$temporary" "$components/$name.wasm"
  printf '%8d KiB  %s\n' $((($(wc -c <"$components/$name.wasm") + 1023) / 1024)) "$components/$name.wasm"
done
