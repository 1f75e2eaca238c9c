#!/usr/bin/env python3
"""What more runtimes need of RabbitMQ and PostgreSQL, computed from what a task was measured to cost.

Nothing is measured here: --from takes the output of scripts/bench_peers.sh. docs/scaling.md says what is left out."""

import argparse
from dataclasses import dataclass
from math import ceil
from pathlib import Path

from harness.contenders import WARREN
from harness.results import Results

MICROSECONDS = 1e6
DAY_SECONDS = 86_400
FLEETS = (1, 10, 100, 1000)


@dataclass(frozen=True)
class Task:
    """One kind of task: what its guest computes and waits, beside what each costs anyway; or what it costs in all."""

    what: str
    computes_us: float = 0
    waits_ms: float = 0
    runtime_us: float | None = None
    database_us: float | None = None
    # Its row is written so often.
    writes: int = 1


TASKS = (
    Task("do nothing (`echo`)"),
    Task("compute for 10 ms", computes_us=10_000),
    # Measured where tasks waited on HTTP: a request, and a row that says RUNNING before. PostgreSQL took 125 to 195.
    Task("wait for 100 ms", waits_ms=100, runtime_us=275, database_us=160, writes=2),
)


@dataclass(frozen=True)
class Costs:
    """Processor time of one task in each process, in microseconds."""

    runtime: float
    broker: float
    database: float


@dataclass(frozen=True)
class Limits:
    # Of one runtime.
    cores: int
    places: int
    # Tasks a second that one quorum queue passes on, and bytes of PostgreSQL's log that one task writes.
    queue_rate: float
    wal_bytes: float


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--from", type=Path, required=True, metavar="FILE", dest="measured", help="where the costs are read")
    add("--contender", default=WARREN, help=f"whose costs ({WARREN})")
    add("--cores", type=int, default=2, help="of one runtime's machine (2)")
    add("--places", type=int, default=256, help="sandbox.concurrency (256)")
    add("--queue-rate", type=float, required=True, help="tasks a second that one queue passes on")
    add("--wal-bytes", type=float, required=True, help="bytes of PostgreSQL's log that one task writes")
    return parser.parse_args()


def costs(results: Results, name: str) -> Costs:
    known = [results.cpu_us(name, process) for process in ("worker", "RabbitMQ", "PostgreSQL")]
    if None in known:
        raise SystemExit(f"there is no processor time of {name}'s servers: it is not told for servers in containers")
    return Costs(*(us for us in known if us is not None))


def rate_of_one(task: Task, costs: Costs, limits: Limits) -> float:
    """By processor time or by places, whichever is less."""
    computes = ((task.runtime_us or costs.runtime) + task.computes_us) / MICROSECONDS
    lasts = computes + task.waits_ms / 1e3
    return min(limits.cores / computes, limits.places / lasts)


def table(task: Task, costs: Costs, limits: Limits) -> str:
    lines = [
        "| runtimes | tasks/s | queues | RabbitMQ, cores | PostgreSQL, cores | its log, MB/s | million rows a day |",
        "|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for runtimes in FLEETS:
        rate = runtimes * rate_of_one(task, costs, limits)
        cells = (
            f"{runtimes:,}",
            f"{rate:,.0f}",
            f"{ceil(rate / limits.queue_rate):,}",
            f"{rate * costs.broker / MICROSECONDS:,.1f}",
            f"{rate * (task.database_us or costs.database) / MICROSECONDS:,.1f}",
            f"{rate * task.writes * limits.wal_bytes / 1e6:,.1f}",
            f"{rate * DAY_SECONDS / 1e6:,.0f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    options = arguments()
    measured = costs(Results.load(options.measured), options.contender)
    limits = Limits(options.cores, options.places, options.queue_rate, options.wal_bytes)
    for task in TASKS:
        print(f"Tasks that {task.what}:\n\n{table(task, measured, limits)}\n")


if __name__ == "__main__":
    main()
