# What a person runs. Each target says what it does; `make help` lists them.
.DEFAULT_GOAL := help
SHELL := /bin/bash

TARGET_DIR := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)

.PHONY: help demo crud-demo test chaos soak components build release fmt bench bench-growth bench-here bench-sandbox bench-events

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1\t\2/' | expand -t 14

demo: ## Start warren on nothing, run the three components through HTTP, show outcomes and rows, stop it
	@scripts/demo.sh

crud-demo: ## Run the example of a CRUD service beside warren, call each route, check the events that are stored
	@event-driven/examples/test_crud.sh

test: ## Run everything: fmt, clippy, docs, unit and integration tests, doctests
	@scripts/test.sh

chaos: ## Kill, stop, cut and stall two runtimes and their servers, SEED=… ROUNDS=… TASKS=…; nothing may be lost
	WARREN_CHAOS_SEED=$(SEED) WARREN_CHAOS_ROUNDS=$(ROUNDS) WARREN_CHAOS_TASKS=$(TASKS) WARREN_TEST_STRICT=1 \
	  cargo test --workspace --all-features --locked --test chaos -- --nocapture

soak: ## Run the release build for MINUTES=30 with TASKS=5000000, and show whether memory or connections grow
	@scripts/soak.sh $(or $(MINUTES),30) $(or $(TASKS),5000000)

components: ## Compile the components into $(TARGET_DIR)/components
	@tasks-wasm/build.sh

build: ## Build the binary into $(TARGET_DIR)/debug/warren
	cargo build -p warren

release: ## Build the binary as fast as it gets, with a profile of its work: half an hour; prints where it is
	@scripts/release.sh

fmt: ## Format the code
	cargo fmt

bench: ## Measure warren beside Celery, dramatiq, taskiq and consumers by hand, and draw docs/bench/*.svg (20 minutes)
	@scripts/bench_peers.sh --output $(TARGET_DIR)/bench.json --plots docs/bench

bench-growth: ## Measure what has to stay as it is while payloads, tables, components, runtimes grow (half an hour)
	@scripts/bench_peers.sh growth --output $(TARGET_DIR)/growth.json

bench-here: ## Measure warren alone with `warren bench`: rate, latency, events, memory, processor time
	@scripts/bench.sh

bench-sandbox: ## Measure what limits and receipts cost a task, and what endless guests cost their neighbours
	@tasks-wasm/build.sh
	cargo run --release --locked -p warren --example sandbox_cost

bench-events: ## Measure event-driven: against bare lapin, a million events, RabbitMQ killed ten times
	@scripts/bench_events.sh
