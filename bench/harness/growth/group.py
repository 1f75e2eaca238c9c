"""What a kind of growth is measured with: cases that take turns, and rows of the table about their figures."""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from harness.contenders import THIS, Contender
from harness.rounds import Tools, run_at, run_round
from harness.servers import Place, Servers

FEWEST_TASKS = 50
MANY = 100_000

# What one turn of a case gave, by name. Most are numbers.
Figures = dict[str, Any]
Cases = Mapping[str, Callable[[], Figures]]


@dataclass(frozen=True)
class Site:
    """Where a group is measured."""

    servers: Servers
    tools: Tools
    scale: float
    # Of this group alone, and gone after it.
    folder: Path
    # Of compiled code; stays.
    cache: Path

    def tasks(self, at_full_scale: int = MANY) -> int:
        return max(int(at_full_scale * self.scale), FEWEST_TASKS)

    def warren(self, *publish: str, **settings: str) -> Contender:
        """`warren run`, with further arguments for who publishes and settings that are not the defaults."""
        own = {"WARREN_COMPONENTS_CACHE": str(self.cache)} | settings
        return replace(THIS, publish=(*THIS.publish, *publish), settings=own)

    def burn(self, contender: Contender, tasks: int, place: Place | None = None) -> Figures:
        """A heap of tasks that is there when the runtime starts."""
        if place is None:
            return asdict(run_round(contender, tasks, self.servers, self.tools))
        return asdict(run_at(place, contender, tasks, self.servers, self.tools))

    def file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)


@contextmanager
def opened(servers: Servers, tools: Tools, scale: float) -> Iterator[Site]:
    """On the disk that cargo's target folder is on: /tmp may be in memory."""
    bench = tools.target / "bench"
    cache = bench / "cache"
    bench.mkdir(exist_ok=True)
    cache.mkdir(exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(prefix="growth.", dir=bench) as folder:
        yield Site(servers, tools, scale, Path(folder), cache)


@dataclass(frozen=True)
class Row:
    """A figure of a case; with a base, as a share of that of another one. A goal is for the share, if there is one."""

    what: str
    case: str
    figure: str = "rate"
    unit: str = "tasks/s"
    base: str | None = None
    base_figure: str | None = None
    least: float | None = None
    most: float | None = None


@dataclass(frozen=True)
class Group:
    name: str
    rows: tuple[Row, ...]
    cases: Callable[[Site], AbstractContextManager[Cases]]
    # How often each case has its turn in a round.
    turns: int = 1
    # For what takes long.
    most_rounds: int | None = None
