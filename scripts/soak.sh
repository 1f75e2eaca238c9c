#!/usr/bin/env bash
# Runs the release build for a long time under a steady load and shows whether it grows: `make soak MINUTES=… TASKS=…`, or
# scripts/soak.sh [MINUTES] [TASKS].
exec "$(dirname "$0")/release_example.sh" soak "${1:-30}" "${2:-5000000}"
