#!/bin/sh
# Submits one task over HTTP and waits for its outcome: publish.sh NAME JSON. Needs curl; reads WARREN_URL.
set -eu
url=${WARREN_URL:-http://127.0.0.1:8080}
curl --silent --show-error --fail-with-body "$url/v1/tasks?wait=30s" \
  --header 'content-type: application/json' \
  --data "{\"task_name\": \"$1\", \"payload\": $2, \"producer_app\": \"publish.sh\"}"
echo
