#!/usr/bin/env bash
# Runs the example `users` beside warren, calls each of its routes, and checks what warren's event store has after that:
# exactly the events that had to be told, under the correlation ids of the requests, also of a service that is killed with
# kill -9 while RabbitMQ is away. `make crud-demo` runs it, and so do the tests.
#
# Needs a RabbitMQ whose rabbitmqctl can be called, or starts one (scripts/services.sh). Uses a virtual host and a folder of
# its own, and leaves neither behind.
set -euo pipefail
cd "$(dirname "$0")/../.."
# what is set here for other purposes must not change what is shown
unset DATABASE_URL SERVICE_NAME HTTP_ADDR RUST_LOG ${!WARREN_@}

step() { printf '\n== %s\n' "$*"; }
fail() {
  echo "FAILED: $*" >&2
  exit 1
}

# Waits until a command succeeds, at most 60 s: `within_a_minute WHAT COMMAND…`.
within_a_minute() {
  local what=$1 deadline=$((SECONDS + 60))
  shift
  until "$@"; do
    [ $SECONDS -lt $deadline ] || fail "$what did not happen within 60 s"
    sleep 0.1
  done
}

step "Building warren and the example"
# the same members, features and targets as the tests have: nothing is compiled twice
cargo build --quiet --workspace --all-features --bins --examples --locked
target_dir=$(cargo metadata --format-version 1 --no-deps --locked | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
warren=$target_dir/debug/warren

# shellcheck source=scripts/services.sh
. scripts/services.sh
find_rabbitmq
folder=$(mktemp -d "${TMPDIR:-/tmp}/warren-crud.XXXXXX")
vhost=crud_$$
warren_pid='' users_pid=''

ctl() {
  if command -v rabbitmqctl >/dev/null; then
    rabbitmqctl --quiet "$@"
  else
    # the RabbitMQ of compose.yaml
    docker compose exec -T rabbitmq rabbitmqctl --quiet "$@"
  fi
}

cleanup() {
  local status=$? pid
  if [ $status != 0 ]; then
    for log in "$folder"/*.log; do
      [ ! -s "$log" ] || { echo "-- the end of $(basename "$log")" && tail -n 20 "$log"; } >&2
    done
  fi
  for pid in $users_pid $warren_pid; do
    # nothing is worth a stop in order any more
    { kill -9 "$pid" && wait "$pid"; } 2>/dev/null || true
  done
  ctl delete_vhost "$vhost" >&2 || true
  rm -rf "$folder"
  stop_services
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# user and place of RABBITMQ_URL, without the virtual host that it may name
authority=${RABBITMQ_URL#*://}
authority=${authority%%[/?]*}
case $authority in *@*) user=${authority%%[:@]*} ;; *) user=guest ;; esac
ctl add_vhost "$vhost"
ctl set_permissions --vhost "$vhost" "$user" '.*' '.*' '.*'
export RABBITMQ_URL="${RABBITMQ_URL%%://*}://$authority/$vhost"
export WARREN_HTTP_ADDR=127.0.0.1:0 WARREN_COMPONENTS_URL=$folder/components DATABASE_URL="sqlite://$folder/warren.db"
mkdir "$folder/components"
touch "$folder/warren.log"

# Prints the address that a program told: `address_in FILE`. Fails as long as there is none.
address_in() { sed -n 's/.*\(http:\/\/127[^ ,]*[0-9]\).*/\1/p' "$1" | head -n 1 | grep .; }
# Waits for the address; the program must not end before: `listening PID FILE`.
listening() {
  kill -0 "$1" 2>/dev/null || fail "$(basename "$2" .log) has ended by itself"
  address_in "$2" >/dev/null
}

start_users() {
  # before it starts: the address of the last one must not be taken for that of this one
  : >"$folder/users.log"
  DATABASE_URL="sqlite://$folder/users.db?mode=rwc" HTTP_ADDR=127.0.0.1:0 \
    "$target_dir/debug/examples/users" >>"$folder/users.log" 2>&1 &
  users_pid=$!
  within_a_minute "the start of users" listening "$users_pid" "$folder/users.log"
  users=$(address_in "$folder/users.log")
  echo "users listens on $users"
}

# Asks the service and prints its answer, which must have the expected status: `call STATUS METHOD PATH CORRELATION_ID [BODY]`.
call() {
  local expected=$1 method=$2 path=$3 correlation_id=$4 status
  shift 4
  printf '%-6s %-18s %s\n' "$method" "$path" "${1:-}"
  [ $# = 0 ] || set -- --header 'content-type: application/json' --data "$1"
  status=$(curl --silent --show-error --noproxy '*' --max-time 120 --request "$method" \
    --header "x-correlation-id: $correlation_id" --output "$folder/answer" --write-out '%{http_code}' \
    ${1+"$@"} "$users$path")
  printf '   %s  %s\n' "$status" "$(cat "$folder/answer")"
  [ "$status" = "$expected" ] || fail "$method $path has to be answered with $expected"
  # the answer to a DELETE is empty, and curl makes no file of it
  : >"$folder/answer"
}

# The routing keys that are stored, sorted, one a line: `keys [--correlation-id ID]`.
keys() {
  "$warren" event list --limit 1000 --output json ${1+"$@"} >"$folder/events.json" || return 1
  sed -n 's/^ *"routing_key": "\(.*\)",*$/\1/p' "$folder/events.json" | sort
}
has_keys() {
  local found
  found=$(keys --correlation-id "$1") && [ "$found" = "$2" ]
}
# Waits until exactly these events are stored under a correlation id: `expect ID TYPE…`.
expect() {
  local id=$1 deadline=$((SECONDS + 60)) expected
  shift
  expected=$(printf 'routing.event.%s.user\n' "$@" | sort)
  until has_keys "$id" "$expected"; do
    [ $SECONDS -lt $deadline ] || fail "$id: expected $(echo $expected), found $(echo $(keys --correlation-id "$id"))"
    sleep 0.1
  done
  echo "$id: $*"
}
# Whether the service has written a line with this text; prints it: `logged TEXT`.
logged() { grep -F "$1" "$folder/users.log"; }

step "Starting warren, which stores all events, and the service"
"$warren" run >>"$folder/warren.log" 2>&1 &
warren_pid=$!
within_a_minute "the start of warren" listening "$warren_pid" "$folder/warren.log"
start_users

step "Ada: signs up, is read, changes her name and her password"
call 201 POST /users ada '{"username": "ada", "email": "ada@example.org"}'
call 200 GET /users/1 ada
call 200 PUT /users/1 ada '{"username": "countess", "full_name": "Ada Lovelace"}'
call 200 PUT /users/1/password ada '{"password": "not-in-any-event"}'

step "Bob: signs up with an address that gets no mail, and is deleted"
call 201 POST /users bob '{"username": "bob", "email": "bob@blocked.example", "full_name": "Bob"}'
call 204 DELETE /users/2 bob
call 200 GET /users list

step "What is refused tells nobody of anything"
call 409 POST /users refused '{"username": "another", "email": "ada@example.org"}'
call 400 POST /users refused '{"username": '
call 422 PUT /users/1 refused '{"username": "ada", "email": "new@example.org"}'
call 422 PUT /users/1/password refused '{"password": "short"}'
call 404 GET /users/2 refused
call 404 PUT /users/2 refused '{"username": "bob"}'
call 404 DELETE /users/2 refused
call 400 GET /users/ada refused

step "The events, by the correlation id of the requests"
expect ada create read update notify
expect bob create delete
within_a_minute "the mail to Ada" logged 'mail to ada@example.org: welcome, ada! (ada)'
within_a_minute "the refusal of a mail to Bob" logged 'no mail goes to bob@blocked.example'

step "RabbitMQ goes away, Carol signs up, and the service is killed with kill -9"
ctl set_vhost_limits --vhost "$vhost" '{"max-connections": 0}'
ctl close_all_connections --vhost "$vhost" 'RabbitMQ goes away'
no_connection() {
  local found
  found=$(ctl list_connections vhost) && ! grep -qx "$vhost" <<<"$found"
}
within_a_minute "the end of all connections" no_connection
call 201 POST /users carol '{"username": "carol", "email": "carol@example.org"}'
# the shell would tell of it as of an accident
{ kill -9 "$users_pid" && wait "$users_pid"; } 2>/dev/null || true
users_pid=''

step "RabbitMQ is back, the service not: nobody has heard of Carol"
ctl clear_vhost_limits --vhost "$vhost"
waiting=$(ctl list_queues --vhost "$vhost" name messages | awk '$1 == "event.store" { print $2 }')
[ "$waiting" = 0 ] || fail "event.store has to have 0 messages, it has $waiting"
has_keys carol '' || fail "an event was published that can't have been"
echo "event.store: $waiting messages; events of Carol: 0"

step "The service starts again, and publishes what it had committed"
start_users
expect carol create
within_a_minute "the mail to Carol" logged 'mail to carol@example.org: welcome, carol! (carol)'
call 200 GET /users list

step "All that is stored: 7 events, and no more"
"$warren" event list
all=$(keys)
[ "$(grep -c . <<<"$all")" = 7 ] || fail "expected 7 events, found $(echo $all)"

step "The payloads, as warren gives them over HTTP; no password stands anywhere"
warren_url=$(address_in "$folder/warren.log")
for id in $(sed -n 's/^ *"id_event_store": "\(.*\)",*$/\1/p' "$folder/events.json"); do
  curl --silent --show-error --fail --noproxy '*' --max-time 120 "$warren_url/v1/events/$id" >>"$folder/stored.json"
  echo >>"$folder/stored.json"
done
sed 's/.*"routing_key":"\([^"]*\)".*"payload":\({[^}]*}\).*/\1  \2/' "$folder/stored.json"
grep -q '"event_name":"password_changed"' "$folder/stored.json" || fail "nobody is told of the new password"
! grep -qF not-in-any-event "$folder"/*.json "$folder"/*.db* "$folder"/*.log || fail "the password stands somewhere in clear"

step "Stopping; without RabbitMQ it does not start"
kill -TERM "$users_pid"
wait "$users_pid" || fail "users ended with $? after SIGTERM"
users_pid=''
tail -n 1 "$folder/users.log"
status=0
told=$(RABBITMQ_URL=amqp://127.0.0.1:1 "$target_dir/debug/examples/users" 2>&1) || status=$?
echo "$told"
[ $status = 1 ] || fail "users ended with $status without RabbitMQ"

step "All is as expected"
