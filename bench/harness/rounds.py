"""One round of one contender: publish all, start its workers, watch them finish, stop them."""

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from harness.contenders import PEERS, WARREN, Contender
from harness.servers import Place, Servers
from harness.watcher import Watcher
from harness.worker import environment, run, working

PUBLISH_SECONDS = 300.0
PROCESSES = ("worker", "RabbitMQ", "PostgreSQL")


@dataclass(frozen=True)
class Tools:
    """The places that the commands of contenders stand for."""

    python: str
    target: Path
    warren: Path

    def command(self, parts: tuple[str, ...]) -> list[str]:
        places = {"python": self.python, "peers": PEERS, "release": self.target / "release", "warren": self.warren}
        return [part.format(**places) for part in parts]

    def environment(self, contender: Contender, place: Place, done_file: Path) -> dict[str, str]:
        components = str(self.target / "components")
        if contender.name.startswith(WARREN):
            at = {"RABBITMQ_URL": place.rabbitmq_url, "DATABASE_URL": place.database_url}
            own = {"WARREN_COMPONENTS_URL": components, "WARREN_HTTP_ADDR": "127.0.0.1:0"}
            return environment(**at, **(own | dict(contender.settings)), BENCH_RABBITMQ_URL=place.rabbitmq_url)
        if contender.rows is None:
            return environment(BENCH_RABBITMQ_URL=place.rabbitmq_url, BENCH_DONE_FILE=str(done_file))
        at = {"BENCH_RABBITMQ_URL": place.rabbitmq_url, "BENCH_DATABASE_URL": place.database_url}
        return environment(**at, BENCH_COMPONENTS=components)


@dataclass(frozen=True)
class Round:
    """What came of it, from the first look that found a finished task (all of the warm-up) to that which found all."""

    tasks: int
    rate: float
    seconds: float
    publish_seconds: float
    start_seconds: float
    # Of one task, by process, in microseconds; None where a server's process can't be seen.
    cpu_us: dict[str, float | None]
    peak_mib: float
    threads: int
    # More than was published: so many were run more than once.
    repeated: int


def run_round(contender: Contender, tasks: int, servers: Servers, tools: Tools) -> Round:
    with servers.place() as place:
        return run_at(place, contender, tasks, servers, tools)


def run_at(place: Place, contender: Contender, tasks: int, servers: Servers, tools: Tools) -> Round:
    with tempfile.TemporaryDirectory(prefix="warren-bench.") as folder:
        log, done_file = Path(folder) / "log", Path(folder) / "done"
        env = tools.environment(contender, place, done_file)
        before = time.monotonic()
        run([*tools.command(contender.publish), str(tasks)], env, log, PUBLISH_SECONDS)
        publish_seconds = time.monotonic() - before
        servers.settle()
        with psycopg.connect(place.database_url, autocommit=True) as database:
            count = counter(contender, database, done_file)
            backend = database.info.backend_pid
            started = time.monotonic()
            with ExitStack() as stack:
                logs = [Path(folder) / f"log-{n}" for n in range(contender.workers)]
                command = tools.command(contender.work)
                workers = [stack.enter_context(working(command, env, each)) for each in logs]
                watcher = Watcher(tasks, contender.warm_up, workers, logs, lambda now: servers.cpu(now, backend))
                first, last = watcher.watch(count)
            repeated = count() - tasks
    done, seconds = last.done - first.done, last.at - first.at
    cpu_us = {
        name: None if before is None or after is None else round((after - before) / done * 1e6, 2)
        for name, before, after in zip(PROCESSES, first.cpu, last.cpu, strict=True)
    }
    return Round(
        tasks,
        rate=round(done / seconds, 1),
        seconds=round(seconds, 3),
        publish_seconds=round(publish_seconds, 3),
        start_seconds=round(first.at - started, 3),
        cpu_us=cpu_us,
        peak_mib=round(watcher.peak_mib, 1),
        threads=watcher.threads,
        repeated=repeated,
    )


def counter(contender: Contender, database: psycopg.Connection[Any], done_file: Path) -> Callable[[], int]:
    def rows() -> int:
        try:
            row = database.execute((contender.rows or "").encode()).fetchone()
        except psycopg.errors.UndefinedTable:
            return 0
        return int(row[0]) if row is not None else 0

    def size() -> int:
        return done_file.stat().st_size if done_file.exists() else 0

    return size if contender.rows is None else rows
