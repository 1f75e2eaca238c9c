"""Events that are recorded, beside the loop that does only the essentials."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from harness.contenders import ours
from harness.growth.group import Cases, Group, Row, Site
from harness.growth.warm import warm

STORED = "SELECT count(*) FROM event_store"
EVENTS = 200_000


@contextmanager
def cases(site: Site) -> Iterator[Cases]:
    warm(site, "echo")
    what = "consume, batched insert, group ack"
    loop = ours("event-loop", what, EVENTS, "{release}/bench event-loop", STORED, answers=False)
    loop = replace(loop, publish=(*loop.publish, "--events"))
    warren = replace(site.warren("--events"), rows=STORED)
    yield {
        "loop": lambda: site.burn(loop, site.tasks(EVENTS)),
        "warren": lambda: site.burn(warren, site.tasks(EVENTS)),
    }


EVENT_RATE = Group(
    "events",
    (Row("events recorded, beside the event loop", "warren", unit="events/s", base="loop", least=0.8),),
    cases,
)
