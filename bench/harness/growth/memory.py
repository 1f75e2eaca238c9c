"""What a runtime has in memory: when it is idle, at full burn, and after ten times as many tasks."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from harness.growth.group import MANY, Cases, Figures, Group, Row, Site
from harness.growth.payloads import payload
from harness.growth.warm import warm
from harness.rounds import PUBLISH_SECONDS, counter
from harness.servers import Place
from harness.usage import Snapshot
from harness.worker import Failed, Running, last_lines, run, working

IDLE_SECONDS = 5.0
PATIENCE_SECONDS = 600.0
IN_ALL = 10 * MANY


@contextmanager
def cases(site: Site) -> Iterator[Cases]:
    warm(site, "echo", "process_order", "thumbnail")
    given = ("--payload", site.file("payload.json", payload(1000)))
    with site.servers.place() as place:
        yield {"warren": lambda: measure(site, place, given)}


def measure(site: Site, place: Place, given: tuple[str, ...]) -> Figures:
    contender = site.warren(*given)
    env = site.tools.environment(contender, place, site.folder / "done")
    log = site.folder / "log"

    def publish(tasks: int) -> None:
        run([*site.tools.command(contender.publish), str(tasks)], env, site.folder / "publish-log", PUBLISH_SECONDS)

    with psycopg.connect(place.database_url, autocommit=True) as database:
        count = counter(contender, database, site.folder / "done")
        # what it takes to make the schema is not what it takes to be idle
        run([*site.tools.command(("{warren}", "migrate", "up"))], env, log, PATIENCE_SECONDS)
        with working(site.tools.command(contender.work), env, log) as worker:
            time.sleep(IDLE_SECONDS)
            idle = Snapshot().resident_mib(worker.pid)
        before = count()
        first, all_of_them = site.tasks(MANY), site.tasks(IN_ALL)
        publish(first)
        site.servers.settle()
        with working(site.tools.command(contender.work), env, log) as worker:

            def done(tasks: int) -> None:
                wait(worker, lambda: count() - before >= tasks)

            try:
                done(first)
                time.sleep(IDLE_SECONDS)
                peak, after_first = Snapshot().peak_mib(worker.pid), Snapshot().resident_mib(worker.pid)
                publish(all_of_them - first)
                done(all_of_them)
            except Failed as failed:
                raise Failed(f"{failed}\n{last_lines(log)}") from None
            time.sleep(IDLE_SECONDS)
            after_all = Snapshot().resident_mib(worker.pid)
            peak_of_all = Snapshot().peak_mib(worker.pid)
        database.execute("TRUNCATE task_store")
    return {
        "idle_mib": idle,
        "peak_mib": peak,
        "first_mib": after_first,
        "all_mib": after_all,
        "peak_of_all_mib": peak_of_all,
    }


def wait(worker: Running, is_done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_done():
        if worker.poll() is not None or time.monotonic() > deadline:
            raise Failed("the tasks were not done")
        time.sleep(0.5)


MEMORY = Group(
    "memory",
    (
        Row("memory, idle", "warren", "idle_mib", "MiB"),
        Row("memory at full burn, 1 KB payloads, its peak", "warren", "peak_mib", "MiB", most=150),
        Row(
            "memory after ten times as many tasks",
            "warren",
            "all_mib",
            "MiB",
            base="warren",
            base_figure="first_mib",
            most=1.1,
        ),
    ),
    cases,
    most_rounds=1,
)
