#!/usr/bin/env bash
# Measures warren beside what it is compared with: scripts/bench_peers.sh [rate|latency] [--only NAME,…] [--rounds 3]
# [--scale 0.1] [--output FILE] [--plots FOLDER]; with `growth` warren alone, as work grows. --help says more. Everything
# runs on virtual hosts and databases that are dropped after it. What the contenders are stands in bench/README.md.
set -euo pipefail
cd "$(dirname "$0")/.."

target_dir=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
python=$target_dir/bench/python
[ -x "$python/bin/python" ] || python3 -m venv "$python"
"$python/bin/pip" install --quiet --disable-pip-version-check -r bench/peers/requirements.txt

case " $* " in
  # nothing is measured
  *' --help '* | *' -h '* | *' --from '*) exec "$python/bin/python" bench/run.py "$@" ;;
esac

cargo build --release --locked --workspace --all-features --bin warren --bin bench
tasks-wasm/build.sh
tasks-wasm/build.sh guests wait

# shellcheck source=scripts/services.sh
. scripts/services.sh
trap stop_services EXIT
find_services
# In the foreground, so that Ctrl-C reaches it; it cleans up, and then this script does.
"$python/bin/python" bench/run.py --target "$target_dir" "$@"
