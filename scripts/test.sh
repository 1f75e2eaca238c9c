#!/usr/bin/env bash
# Everything that has to hold: formatting, lints, documentation, tests on a real RabbitMQ and PostgreSQL, an example,
# doctests.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s (%d s)\n' "$*" $SECONDS; }
# What can't run here is told; where everything has to run (WARREN_TEST_STRICT) it is an error.
skipped=()
skip() {
  skipped+=("$*")
  echo "SKIPPED: $*" >&2
  [ -z "${WARREN_TEST_STRICT:-}" ] || exit 1
}

step "formatting"
cargo fmt --check

step "the target wasm32-wasip2"
scripts/wasip2-target.sh

step "lints"
cargo clippy --workspace --all-targets --all-features --locked -- -D warnings

step "components"
tasks-wasm/build.sh
tasks-wasm/build.sh guests attacker
target_dir=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
export WARREN_TEST_COMPONENTS=$target_dir/components WARREN_TEST_GUESTS=$target_dir/guests

step "services"
# shellcheck source=scripts/services.sh
. scripts/services.sh
trap stop_services EXIT
find_services

step "what tests in other languages need"
publishers=$target_dir/publishers
mkdir -p "$publishers"
if command -v python3 >/dev/null && { [ -x "$publishers/python/bin/python" ] || python3 -m venv "$publishers/python"; }; then
  "$publishers/python/bin/pip" install --quiet --disable-pip-version-check \
    -r examples/publishers/requirements.txt -r event-driven/tests/interop/requirements.txt \
    -r event-driven/tests/asyncapi/requirements.txt
  export WARREN_TEST_PYTHON=$publishers/python/bin/python
else
  skip "publish.py, the services in Python and the validation of AsyncAPI: there is no python3 with venv"
fi
if command -v npm >/dev/null; then
  cp examples/publishers/package.json "$publishers/"
  # With the schemas that AsyncAPI documents are validated by.
  npm install --silent --no-audit --no-fund --no-save --prefix "$publishers" @asyncapi/specs@6.11.1 >&2
  export WARREN_TEST_NODE_MODULES=$publishers/node_modules
else
  skip "publish.mjs and the validation of AsyncAPI: there is no npm"
fi

step "an S3-compatible server"
s3=$target_dir/s3
if command -v python3 >/dev/null && { [ -x "$s3/bin/python" ] || python3 -m venv "$s3"; }; then
  "$s3/bin/pip" install --quiet --disable-pip-version-check -r runtime/tests/support/s3_requirements.txt
  export WARREN_TEST_S3=$s3/bin/python
else
  skip "the store of components in S3: there is no python3 with venv"
fi

step "an OCI registry"
# out of its package: nothing is installed, and nothing starts by itself
oci=$target_dir/oci
unpack_registry() {
  command -v apt-get >/dev/null && command -v dpkg >/dev/null && mkdir -p "$oci" &&
    (cd "$oci" && { apt-get download -qq docker-registry || { apt-get update -qq && apt-get download -qq docker-registry; }; } &&
      dpkg -x docker-registry_*.deb .)
}
if command -v docker-registry >/dev/null; then
  WARREN_TEST_OCI=$(command -v docker-registry)
  export WARREN_TEST_OCI
elif [ -x "$oci/usr/bin/docker-registry" ] || unpack_registry; then
  export WARREN_TEST_OCI=$oci/usr/bin/docker-registry
else
  skip "components out of an OCI registry: there is no docker-registry, and apt-get gives none"
fi

step "tests"
if cargo nextest --version >/dev/null 2>&1; then
  cargo nextest run --workspace --all-features --locked --no-fail-fast
else
  echo "cargo-nextest is not installed; running the same tests with cargo test"
  cargo test --workspace --all-features --locked --lib --bins --tests
fi

step "example: a CRUD service"
if command -v rabbitmqctl >/dev/null || [[ $started_compose == *rabbitmq* ]]; then
  event-driven/examples/test_crud.sh
else
  skip "the example of a CRUD service: there is no rabbitmqctl to make a virtual host with"
fi

step "doctests"
# all members, as above: another selection would have other features, and compile the dependencies again
cargo test --workspace --all-features --locked --doc

step "documentation"
RUSTDOCFLAGS='-D warnings' cargo doc --workspace --all-features --no-deps --locked --quiet

step "done"
[ ${#skipped[@]} = 0 ] || printf 'SKIPPED: %s\n' "${skipped[@]}"
