"""A second runtime on the same cores: with tasks that want them, and with tasks that wait."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from harness.contenders import Contender
from harness.growth.group import MANY, Cases, Figures, Group, Row, Site
from harness.growth.waiting import slow
from harness.growth.warm import execute, warm

WAITING = 30_000
# Of each runtime, so that two do not want more than two cores have.
PLACES = 100


@contextmanager
def cases(site: Site) -> Iterator[Cases]:
    with slow(site) as server:
        echo, wait, few = site.warren(), server.warren(100), server.warren(100, PLACES)
        warm(site, "echo", "process_order", "thumbnail")
        execute(site, wait, ("1",))
        yield {
            "1, echo": case(site, echo, 1, MANY),
            "2, echo": case(site, echo, 2, MANY),
            "1, waiting in few places": case(site, few, 1, WAITING // 2),
            "2, waiting in few places": case(site, few, 2, WAITING // 2),
            "1, waiting": case(site, wait, 1, WAITING),
            "2, waiting": case(site, wait, 2, WAITING),
        }


def case(site: Site, contender: Contender, runtimes: int, tasks: int) -> Callable[[], Figures]:
    """Measured when all are at it."""
    tasks = site.tasks(tasks)
    contender = replace(contender, workers=runtimes, warm_up=tasks // 10)
    return lambda: site.burn(contender, tasks)


RUNTIMES = Group(
    "runtimes",
    (
        Row("two runtimes on the same cores, echo, beside one", "2, echo", base="1, echo", least=0.9),
        Row(
            "two runtimes, tasks that wait 100 ms, 100 places each, beside one",
            "2, waiting in few places",
            base="1, waiting in few places",
            least=1.9,
        ),
        Row("… the default of 256 places each", "2, waiting", base="1, waiting"),
    ),
    cases,
)
