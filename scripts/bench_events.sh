#!/usr/bin/env bash
# Measures the release build of event-driven: `make bench-events`, or scripts/bench_events.sh [rates|million|outages]…
# Rates and the million run on a virtual host of their own; the outages on a RabbitMQ of their own, which is killed with
# kill -9 ten times and stopped at the end.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --locked -p event-driven --examples
target_dir=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
examples=$target_dir/release/examples
# shellcheck source=scripts/services.sh
. scripts/services.sh

on_a_virtual_host() {
  trap stop_services EXIT
  find_rabbitmq
  local vhost=events_bench_$$ server
  # without the virtual host that the URL may name
  server=$(sed -E 's#^(amqps?://[^/]*).*#\1#' <<<"$RABBITMQ_URL")
  add_vhost "$vhost"
  RABBITMQ_URL="$server/$vhost" "$@"
}

# Starts a RabbitMQ on a free port, and gives "$@" the command that kills it and starts it again.
on_a_node_of_its_own() {
  rabbitmq_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1] % 20000 + 20000)')
  PATH=$PATH:/usr/sbin:/usr/lib/rabbitmq/bin:/opt/homebrew/sbin:/usr/local/sbin
  services_dir=$(mktemp -d "${TMPDIR:-/tmp}/warren-rabbitmq.XXXXXX")
  chmod 755 "$services_dir"
  # shellcheck disable=SC2064
  trap "stop_services; rm -rf '$services_dir'" EXIT
  start_rabbitmq
  rabbitmqctl -q -n "$started_rabbitmq" await_startup
  export RABBITMQ_URL="amqp://guest:guest@127.0.0.1:$rabbitmq_port"
  # The process id is asked for beforehand: rabbitmqctl takes a second, and by then nothing would be on its way.
  local ctl="rabbitmqctl -q -n $started_rabbitmq" pid=$services_dir/pid
  local ask="until $ctl await_startup 2>/dev/null; do sleep 0.2; done; $ctl eval 'list_to_integer(os:getpid()).' >'$pid'"
  sh -c "$ask"
  local restart="kill -9 \$(cat '$pid') && rabbitmq-server -detached 2>&1 && $ask"
  "$1" "$restart" "${@:2}"
}

mkdir -p "$services_dir"
for what in "${@:-rates million outages}"; do
  for what in $what; do
    printf '\n== %s\n' "$what"
    case $what in
      rates | million) (on_a_virtual_host "$examples/$what") ;;
      outages) (on_a_node_of_its_own "$examples/outages") ;;
      *) echo "there is no measurement named $what: rates, million, outages" >&2 && exit 2 ;;
    esac
  done
done
