"""One round of one contender: publish all, start the worker, watch it finish them, stop it."""

import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from harness.contenders import PEERS, WARREN, Contender
from harness.servers import Place, Servers
from harness.usage import Snapshot
from harness.worker import Failed, Running, environment, last_lines, run, working

PUBLISH_SECONDS = 300.0
# As long as nothing more gets finished, a contender is given so much time.
PATIENCE_SECONDS = 60.0
# Between two looks at what is done: so much at the start and at the end; up to so much between, where a look tells
# nothing, but costs the database a count of all rows.
SOONEST, LATEST = 0.02, 0.5
PROCESSES = ("worker", "RabbitMQ", "PostgreSQL")


@dataclass(frozen=True)
class Tools:
    """The places that the commands of contenders stand for."""

    python: str
    target: Path

    def command(self, parts: tuple[str, ...]) -> list[str]:
        return [part.format(python=self.python, peers=PEERS, release=self.target / "release") for part in parts]

    def environment(self, contender: Contender, place: Place, done_file: Path) -> dict[str, str]:
        components = str(self.target / "components")
        if contender.name.startswith(WARREN):
            at = {"RABBITMQ_URL": place.rabbitmq_url, "DATABASE_URL": place.database_url}
            own = {"WARREN_COMPONENTS_URL": components, "WARREN_HTTP_ADDR": "127.0.0.1:0"}
            return environment(**at, **own, BENCH_RABBITMQ_URL=place.rabbitmq_url)
        if contender.rows is None:
            return environment(BENCH_RABBITMQ_URL=place.rabbitmq_url, BENCH_DONE_FILE=str(done_file))
        at = {"BENCH_RABBITMQ_URL": place.rabbitmq_url, "BENCH_DATABASE_URL": place.database_url}
        return environment(**at, BENCH_COMPONENTS=components)


@dataclass(frozen=True)
class Round:
    """What came of it, from the first look that found a finished task until the one that found all finished."""

    tasks: int
    rate: float
    seconds: float
    publish_seconds: float
    start_seconds: float
    # Of one task, by process, in microseconds; None where a server's process can't be seen.
    cpu_us: dict[str, float | None]
    peak_mib: float
    # More than was published: so many were run more than once.
    repeated: int


@dataclass(frozen=True)
class Look:
    at: float
    done: int
    # Seconds of each of the processes.
    cpu: tuple[float | None, ...]


def run_round(contender: Contender, tasks: int, servers: Servers, tools: Tools) -> Round:
    with servers.place() as place, tempfile.TemporaryDirectory(prefix="warren-bench.") as folder:
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
            with working(tools.command(contender.work), env, log) as worker:
                first, last, peak_mib = watch(worker, tasks, count, servers, backend, log)
            repeated = count() - tasks
    done, seconds = last.done - first.done, last.at - first.at
    cpu_us = {
        name: None if before is None or after is None else round((after - before) / done * 1e6, 2)
        for name, before, after in zip(PROCESSES, first.cpu, last.cpu, strict=True)
    }
    rate, start_seconds, peak_mib = round(done / seconds, 1), round(first.at - started, 3), round(peak_mib, 1)
    return Round(tasks, rate, round(seconds, 3), round(publish_seconds, 3), start_seconds, cpu_us, peak_mib, repeated)


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


def watch(
    worker: Running, tasks: int, count: Callable[[], int], servers: Servers, backend: int, log: Path
) -> tuple[Look, Look, float]:
    """Start-up is not measured: the first look that finds something is where it begins."""
    first, newest, peak_mib = None, None, 0.0
    started = time.monotonic()
    while True:
        # before the count, which sees what was there when it began
        at = time.monotonic()
        done = count()
        now = Snapshot()
        peak_mib = max(peak_mib, now.peak_mib(worker.pid))
        if done > (newest.done if newest else 0):
            newest = Look(at, done, (now.cpu_seconds(worker.pid), *servers.cpu(now, without=backend)))
            first = first or newest
        if done >= tasks and first and newest:
            if newest is first:
                raise Failed(f"all {tasks} tasks were done at the first look: that is too few to measure")
            return first, newest, peak_mib
        so_far = f"{done} of {tasks} tasks are done"
        if worker.poll() is not None:
            raise Failed(f"{so_far}, and the worker ended with {worker.returncode}\n{last_lines(log)}")
        if at - (newest.at if newest else started) > PATIENCE_SECONDS:
            raise Failed(f"{so_far}, and none more for {PATIENCE_SECONDS:.0f} s\n{last_lines(log)}")
        time.sleep(pause(tasks, first, newest))


def pause(tasks: int, first: Look | None, newest: Look | None) -> float:
    """A quarter of the time that the rest takes at the speed so far."""
    if first is None or newest is None or newest is first:
        return SOONEST
    rest = (tasks - newest.done) * (newest.at - first.at) / (newest.done - first.done)
    return min(max(rest / 4, SOONEST), LATEST)
