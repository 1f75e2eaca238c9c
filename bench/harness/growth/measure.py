"""Goes through the groups: the cases of each take turns, round by round."""

import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from harness.growth.components import COMPONENTS
from harness.growth.events import EVENT_RATE
from harness.growth.group import Group, opened
from harness.growth.history import HISTORY
from harness.growth.memory import MEMORY
from harness.growth.one_process import ONE_PROCESS
from harness.growth.orders import ORDERS
from harness.growth.payloads import PAYLOADS
from harness.growth.runtimes import RUNTIMES
from harness.growth.start import START
from harness.growth.waiting import WAITING
from harness.rounds import Tools
from harness.servers import Servers

GROUPS = (
    ORDERS,
    ONE_PROCESS,
    EVENT_RATE,
    MEMORY,
    PAYLOADS,
    HISTORY,
    COMPONENTS,
    RUNTIMES,
    WAITING,
    START,
)


def chosen(names: str | None) -> list[Group]:
    """Those that a list with commas names; all, if there is none."""
    if names is None:
        return list(GROUPS)
    known = [group.name for group in GROUPS]
    for name in (wanted := names.split(",")):
        if name not in known:
            raise SystemExit(f"there is no growth named {name}: there are {', '.join(known)}")
    return [group for group in GROUPS if group.name in wanted]


Measured = dict[str, dict[str, Any]]


def measure(
    groups: Sequence[Group],
    rounds: int,
    scale: float,
    servers: Servers,
    tools: Tools,
    results: Measured,
    told_failures: Callable[[str], AbstractContextManager[None]],
    save: Callable[[], None],
) -> None:
    """What fails is told, and the others have their turn all the same."""
    for group in groups:
        with told_failures(group.name), opened(servers, tools, scale) as site:
            say(f"{group.name}: getting ready")
            with group.cases(site) as cases:
                results[group.name] = {"scale": scale, "cases": {}}
                for turn in range(min(rounds, group.most_rounds or rounds) * group.turns):
                    for name, case in cases.items():
                        with told_failures(f"{group.name}, {name}"):
                            begin = time.monotonic()
                            figures = case()
                            results[group.name]["cases"].setdefault(name, []).append(figures)
                            say(f"{group.name} {turn + 1}, {name}: {told(figures)} ({time.monotonic() - begin:.0f} s)")
                        save()


def told(figures: dict[str, Any]) -> str:
    shown = (f"{name} {value:,.4g}" for name, value in figures.items() if isinstance(value, int | float))
    return ", ".join(shown)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
