"""Has components compiled before anything is measured: what a cache on disk is for, is not what is asked here."""

import time

import psycopg

from harness.contenders import Contender
from harness.growth.group import Site
from harness.rounds import PUBLISH_SECONDS
from harness.worker import Failed, last_lines, run, working

OVER = b"SELECT count(*) FROM task_store WHERE status IN ('COMPLETED', 'FAILED')"
PATIENCE_SECONDS = 300.0


def warm(site: Site, *components: str) -> None:
    """By a task for each. Whether it likes what it is given does not matter."""
    execute(site, site.warren(), *(("--task", name, "1") for name in components))


def execute(site: Site, contender: Contender, *publications: tuple[str, ...]) -> None:
    """Publishes what further arguments tell, the last one of each the number, and has it done."""
    log = site.folder / "warm-log"
    with site.servers.place() as place:
        env = site.tools.environment(contender, place, site.folder / "done")
        for publication in publications:
            run([*site.tools.command(contender.publish), *publication], env, log, PUBLISH_SECONDS)
        wanted = sum(int(publication[-1]) for publication in publications)
        with (
            psycopg.connect(place.database_url, autocommit=True) as database,
            working(site.tools.command(contender.work), env, log) as worker,
        ):
            deadline = time.monotonic() + PATIENCE_SECONDS
            while (done := over(database)) < wanted:
                if worker.poll() is not None or time.monotonic() > deadline:
                    raise Failed(f"{done} of {wanted} tasks are done to warm up\n{last_lines(log)}")
                time.sleep(0.1)


def over(database: psycopg.Connection[tuple[int, ...]]) -> int:
    try:
        row = database.execute(OVER).fetchone()
    except psycopg.errors.UndefinedTable:
        return 0
    return row[0] if row is not None else 0
