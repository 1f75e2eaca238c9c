#!/usr/bin/env bash
# Measures the release build: `make bench`, or scripts/bench.sh [TASKS].
exec "$(dirname "$0")/release_example.sh" burn_down "${1:-20000}"
