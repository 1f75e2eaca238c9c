"""Payloads from 100 B to 1 MB."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from harness.growth.group import MANY, Cases, Figures, Group, Row, Site
from harness.growth.warm import warm

# By name: bytes, and so many tasks of them.
SIZES = {
    "100 B": (100, MANY),
    "1 KB": (1_000, MANY),
    "10 KB": (10_000, 30_000),
    "100 KB": (100_000, 4_000),
    "1 MB": (1_000_000, 400),
}
WORDS = ("amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "islet", "jetty", "knoll", "larch")


def payload(size: int) -> str:
    """An object of so many bytes, the same each time: items as services have them, and what is missing."""
    chance = random.Random(size)
    items: list[dict[str, str]] = []
    length = len(compact({"items": items, "rest": ""}))
    while True:
        note = " ".join(chance.choices(WORDS, k=8))
        item = {"id": chance.randbytes(8).hex(), "amount": f"{chance.uniform(1, 1000):.2f}", "note": note}
        more = len(compact(item)) + (1 if items else 0)
        if length + more > size:
            return compact({"items": items, "rest": "x" * (size - length)})
        items.append(item)
        length += more


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


@contextmanager
def cases(site: Site) -> Iterator[Cases]:
    warm(site, "echo")
    yield {name: case(site, name, size, tasks) for name, (size, tasks) in SIZES.items()}


def case(site: Site, name: str, size: int, tasks: int) -> Callable[[], Figures]:
    file = site.file(f"{size}.json", payload(size))

    def turn() -> Figures:
        figures = site.burn(site.warren("--payload", file), site.tasks(tasks))
        return figures | {"mb_per_s": figures["rate"] * size / 1e6}

    return turn


PAYLOADS = Group(
    "payloads",
    tuple(
        Row(f"echo, payloads of {name}{what}", name, figure, unit)
        for name in SIZES
        for what, figure, unit in (
            ("", "rate", "tasks/s"),
            (": of payload", "mb_per_s", "MB/s"),
            (": memory", "peak_mib", "MiB"),
        )
    ),
    cases,
)
