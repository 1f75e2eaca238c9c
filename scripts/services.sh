#!/usr/bin/env bash
# Finds RabbitMQ and PostgreSQL for the tests, or starts them; says which. To be sourced: `find_services` exports
# RABBITMQ_URL and DATABASE_URL, `stop_services` stops what was started (and nothing else), and
# deletes what `add_vhost` has made.
#
# In this order, for each of the two: the URL in the environment; a server on the default port; installed binaries, on a
# private data directory; packages by apt; containers by `docker compose`.

services_dir=${CARGO_TARGET_DIR:-target}/services
rabbitmq_port=${RABBITMQ_PORT:-5672}
postgres_port=${POSTGRES_PORT:-5432}
started_rabbitmq='' started_postgres='' started_compose='' added_vhosts=()

say() { echo "services: $*" >&2; }

# Whether something listens: `listens HOST PORT`.
listens() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

# Waits until something listens on 127.0.0.1, at most 180 s: `wait_for PORT NAME`.
wait_for() {
  local deadline=$((SECONDS + 180))
  until listens 127.0.0.1 "$1"; do
    [ $SECONDS -lt $deadline ] || { say "$2 does not answer on port $1 after 180 s"; return 1; }
    sleep 0.2
  done
}

# Host and port of a URL: `host_port URL DEFAULT_PORT`.
host_port() {
  local rest=${1#*://}
  rest=${rest%%/*}
  rest=${rest##*@}
  case $rest in *:*) echo "${rest%:*} ${rest##*:}" ;; *) echo "$rest $2" ;; esac
}

# Installs by apt, as root or with sudo: `install PACKAGE`.
install() {
  command -v apt-get >/dev/null || return 1
  local as_root=''
  [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && as_root=sudo; } || return 1
  say "installing $1 with apt-get"
  $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >&2 ||
    { $as_root apt-get update -qq >&2 && $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$1" >&2; }
}

compose() {
  docker info >/dev/null 2>&1 || return 1
  say "starting $1 with docker compose"
  docker compose up --detach --wait "$1" >&2 && started_compose="$started_compose $1"
}

find_rabbitmq() {
  if [ -n "${RABBITMQ_URL:-}" ]; then
    # shellcheck disable=SC2046
    listens $(host_port "$RABBITMQ_URL" 5672) || { say "nothing listens at RABBITMQ_URL"; return 1; }
    say "RabbitMQ: the one of RABBITMQ_URL"
    return
  fi
  export RABBITMQ_URL="amqp://guest:guest@127.0.0.1:$rabbitmq_port"
  if listens 127.0.0.1 "$rabbitmq_port"; then
    say "RabbitMQ: the one on port $rabbitmq_port"
    return
  fi
  PATH=$PATH:/usr/sbin:/usr/lib/rabbitmq/bin:/opt/homebrew/sbin:/usr/local/sbin
  command -v rabbitmq-server >/dev/null || install rabbitmq-server || compose rabbitmq ||
    { say "there is no RabbitMQ: install rabbitmq-server, start a container engine, or set RABBITMQ_URL"; return 1; }
  [ -z "$started_compose" ] || return 0
  # an installation by apt may have started it
  listens 127.0.0.1 "$rabbitmq_port" || start_rabbitmq
}

start_rabbitmq() {
  say "RabbitMQ: starting rabbitmq-server on port $rabbitmq_port, data in $services_dir/rabbitmq"
  mkdir -p "$services_dir/rabbitmq"
  export RABBITMQ_NODENAME="warren-test-$rabbitmq_port@localhost"
  RABBITMQ_MNESIA_BASE=$(cd "$services_dir/rabbitmq" && pwd)
  export RABBITMQ_MNESIA_BASE RABBITMQ_LOG_BASE=$RABBITMQ_MNESIA_BASE/log
  export RABBITMQ_ENABLED_PLUGINS_FILE=$RABBITMQ_MNESIA_BASE/enabled_plugins
  echo '[].' >"$RABBITMQ_ENABLED_PLUGINS_FILE"
  # a configuration of its own: the system's may name the port of the system's own node
  echo "listeners.tcp.local = 127.0.0.1:$rabbitmq_port" >"$RABBITMQ_MNESIA_BASE/rabbitmq.conf"
  export RABBITMQ_CONFIG_FILE=$RABBITMQ_MNESIA_BASE/rabbitmq.conf RABBITMQ_DIST_PORT=$((rabbitmq_port + 20000))
  chown -R rabbitmq "$RABBITMQ_MNESIA_BASE" 2>/dev/null || true
  rabbitmq-server -detached >&2
  started_rabbitmq=$RABBITMQ_NODENAME
  wait_for "$rabbitmq_port" RabbitMQ
}

find_postgres() {
  if [ -n "${DATABASE_URL:-}" ]; then
    # shellcheck disable=SC2046
    listens $(host_port "$DATABASE_URL" 5432) || { say "nothing listens at DATABASE_URL"; return 1; }
    say "PostgreSQL: the one of DATABASE_URL"
    return
  fi
  PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin /opt/homebrew/opt/postgresql*/bin 2>/dev/null | tail -n 1 || true)
  if listens 127.0.0.1 "$postgres_port" && can_log_in; then
    say "PostgreSQL: the one on port $postgres_port"
    return
  fi
  if listens 127.0.0.1 "$postgres_port"; then
    say "PostgreSQL: the one on port $postgres_port wants a password (DATABASE_URL can name it); using one of its own"
    postgres_port=$((postgres_port + 1000))
  fi
  export DATABASE_URL="postgres://postgres@127.0.0.1:$postgres_port/postgres"
  command -v initdb >/dev/null || install postgresql || compose postgres ||
    { say "there is no PostgreSQL: install it, start a container engine, or set DATABASE_URL"; return 1; }
  if [[ $started_compose == *postgres* ]]; then
    export DATABASE_URL="postgres://warren:warren@127.0.0.1:5432/warren"
    return
  fi
  PATH=$PATH:$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | tail -n 1 || true)
  start_postgres
}

# Tries the users that a fresh installation has, and keeps the URL that works.
can_log_in() {
  command -v psql >/dev/null || return 1
  local user
  for user in postgres postgres:postgres "$(id -un)"; do
    export DATABASE_URL="postgres://$user@127.0.0.1:$postgres_port/postgres"
    psql --no-password "$DATABASE_URL" -qc 'select 1' >/dev/null 2>&1 && return
  done
  unset DATABASE_URL
  return 1
}

# PostgreSQL refuses to run as root: there it becomes the user that its package made.
as_postgres() { if [ "$(id -u)" = 0 ]; then su postgres -s /bin/bash -c "PATH='$PATH' $*"; else bash -c "$*"; fi; }

start_postgres() {
  # not below the target folder: the user postgres may not be allowed to walk there
  postgres_data=$(mktemp -d "${TMPDIR:-/tmp}/warren-postgres.XXXXXX")
  say "PostgreSQL: starting one on port $postgres_port, data in $postgres_data"
  [ "$(id -u)" != 0 ] || chown postgres "$postgres_data"
  as_postgres "initdb --username=postgres --auth=trust --pgdata='$postgres_data/data'" >"$services_dir/postgres.log"
  as_postgres "pg_ctl --wait --pgdata='$postgres_data/data' --log='$postgres_data/log' \
    --options='-p $postgres_port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$postgres_data' start" >>"$services_dir/postgres.log"
  started_postgres=$postgres_data
  wait_for "$postgres_port" PostgreSQL
}

# Makes a virtual host for the user of RABBITMQ_URL, until `stop_services`: `add_vhost NAME`.
add_vhost() {
  local user
  user=$(sed -nE 's#^amqps?://([^:@/]+)(:[^@/]*)?@.*#\1#p' <<<"$RABBITMQ_URL")
  rabbitmqctl -q add_vhost "$1"
  added_vhosts+=("$1")
  rabbitmqctl -q set_permissions --vhost "$1" "${user:-guest}" '.*' '.*' '.*'
}

find_services() {
  mkdir -p "$services_dir"
  find_rabbitmq && find_postgres
}

stop_services() {
  local vhost
  # bash 3.2 takes an empty array for one that is not set
  for vhost in ${added_vhosts[@]+"${added_vhosts[@]}"}; do rabbitmqctl -q delete_vhost "$vhost" 2>/dev/null || true; done
  [ -z "$started_rabbitmq" ] || { say "stopping the RabbitMQ started here"; rabbitmqctl -q -n "$started_rabbitmq" stop >&2 || true; }
  if [ -n "$started_postgres" ]; then
    say "stopping the PostgreSQL started here"
    as_postgres "pg_ctl --pgdata='$started_postgres/data' --mode=fast stop" >&2 || true
    rm -rf "$started_postgres"
  fi
  # shellcheck disable=SC2086
  [ -z "$started_compose" ] || { say "stopping$started_compose"; docker compose stop $started_compose >&2; }
}
