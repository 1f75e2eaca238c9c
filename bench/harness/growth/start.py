"""From the start of the binary to the first task that is COMPLETED, with compiled code in the cache."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from harness.growth.group import Cases, Figures, Group, Row, Site
from harness.growth.warm import warm
from harness.rounds import PUBLISH_SECONDS, counter
from harness.servers import Place
from harness.worker import Failed, last_lines, run, working

PATIENCE_SECONDS = 60.0
PAUSE = 0.001


@contextmanager
def cases(site: Site) -> Iterator[Cases]:
    warm(site, "echo", "process_order", "thumbnail")
    with site.servers.place() as place:
        # the schema is there, as at each start but the first
        once(site, place)
        site.servers.settle()
        yield {"warren": lambda: once(site, place)}


def once(site: Site, place: Place) -> Figures:
    contender = site.warren()
    env = site.tools.environment(contender, place, site.folder / "done")
    log = site.folder / "log"
    with psycopg.connect(place.database_url, autocommit=True) as database:
        count = counter(contender, database, site.folder / "done")
        before = count()
        run([*site.tools.command(contender.publish), "1"], env, log, PUBLISH_SECONDS)
        begin = time.monotonic()
        with working(site.tools.command(contender.work), env, log):
            while count() == before:
                if time.monotonic() > begin + PATIENCE_SECONDS:
                    raise Failed(f"the task is not done\n{last_lines(log)}")
                time.sleep(PAUSE)
            return {"ms": (time.monotonic() - begin) * 1000}


START = Group(
    "start",
    (Row("from the start to the first task that is done, warm cache", "warren", "ms", "ms", most=300),),
    cases,
    turns=5,
)
