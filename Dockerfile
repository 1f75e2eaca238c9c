# The runtime: one binary on Debian slim, as a user of its own. Components are mounted at /components.

FROM rust:1.95-bookworm AS build
WORKDIR /src
# The dependencies first, in a layer that changes with Cargo.lock only: the members are there as empty crates.
COPY Cargo.toml Cargo.lock ./
COPY bench/Cargo.toml bench/
COPY bench/guests/wait/Cargo.toml bench/guests/wait/
COPY entity/Cargo.toml entity/
COPY event-driven/Cargo.toml event-driven/
COPY event-driven/macros/Cargo.toml event-driven/macros/
COPY migration/Cargo.toml migration/
COPY runtime/Cargo.toml runtime/
COPY runtime/tests/guests/attacker/Cargo.toml runtime/tests/guests/attacker/
COPY tasks-wasm/sdk/Cargo.toml tasks-wasm/sdk/
COPY tasks-wasm/sdk/macros/Cargo.toml tasks-wasm/sdk/macros/
COPY tasks-wasm/echo/Cargo.toml tasks-wasm/echo/
COPY tasks-wasm/process_order/Cargo.toml tasks-wasm/process_order/
COPY tasks-wasm/thumbnail/Cargo.toml tasks-wasm/thumbnail/
COPY scripts/empty-members.sh scripts/
RUN scripts/empty-members.sh && cargo build --locked --release -p warren && scripts/empty-members.sh --clean
COPY . .
# With --build-arg PROFILED=1 as `make release` builds it: faster, and half an hour longer. RabbitMQ and PostgreSQL are installed
# in this stage for it.
ARG PROFILED=
RUN if [ -z "$PROFILED" ]; then cargo build --locked --release -p warren; \
 else scripts/release.sh && cp target/profiled/guided/*/release/warren target/release/; fi

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home --home-dir /var/lib/warren warren \
 && mkdir /components \
 && install --directory --owner=warren --mode=0700 /var/lib/warren/.cache
COPY --from=build /src/target/release/warren /usr/local/bin/warren
USER warren
WORKDIR /var/lib/warren
ENV WARREN_COMPONENTS_URL=/components WARREN_HTTP_ADDR=0.0.0.0:8080
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s CMD ["warren", "doctor", "--ready"]
# SIGTERM, then the grace period of service.grace.
STOPSIGNAL SIGTERM
ENTRYPOINT ["warren"]
CMD ["run"]
