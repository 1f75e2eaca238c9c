"""Tasks that wait for an answer over HTTP, and the server that keeps them waiting."""

import shutil
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import PIPE

from harness.contenders import Contender
from harness.growth.group import Cases, Figures, Group, Row, Site
from harness.growth.warm import execute
from harness.worker import Failed, environment, started

TASKS = 10_000
AT_ONCE = 1000


@dataclass(frozen=True)
class Slow:
    """`bench slow`."""

    site: Site
    address: str

    def warren(self, ms: int, concurrency: int | None = None) -> Contender:
        """Tasks that wait so long; so many may be executed at once. None: as many as by default."""
        folder = self.site.folder / f"waiting-{ms}-{concurrency or 'default'}"
        folder.mkdir(exist_ok=True)
        shutil.copy(self.site.tools.target / "guests" / "wait.wasm", folder)
        limits = f"[limits]\nconcurrency = {concurrency}\n\n" if concurrency else ""
        (folder / "wait.toml").write_text(f'{limits}[grants]\nprivate_hosts = ["{self.address}"]\n')
        payload = self.site.file(f"{ms}.json", f'{{"authority":"{self.address}","path":"/{ms}"}}')
        settings = {"WARREN_COMPONENTS_URL": str(folder), "WARREN_ALLOW_PRIVATE_HOSTS": self.address}
        if concurrency:
            settings["WARREN_SANDBOX_CONCURRENCY"] = str(concurrency)
        return self.site.warren("--task", "wait", "--payload", payload, **settings)

    def most(self) -> int:
        """So many were waited for at once, at most, since this was last asked."""
        with urllib.request.urlopen(f"http://{self.address}/most", timeout=10) as answer:
            return int(answer.read())


@contextmanager
def slow(site: Site) -> Iterator[Slow]:
    log = site.folder / "slow-log"
    command = site.tools.command(("{release}/bench", "slow"))
    with log.open("w") as stderr, started(command, environment(), stderr=stderr.fileno(), stdout=PIPE) as server:
        address = server.stdout.readline().strip() if server.stdout else ""
        if not address:
            raise Failed(f"bench slow does not say where it listens: {log.read_text()}")
        yield Slow(site, address)


@contextmanager
def cases(site: Site) -> Iterator[Cases]:
    with slow(site) as server:
        contenders = {"by default": server.warren(1000), "1,000 at once": server.warren(1000, AT_ONCE)}
        for contender in contenders.values():
            execute(site, contender, ("1",))
        yield {name: case(site, server, contender) for name, contender in contenders.items()}


def case(site: Site, server: Slow, contender: Contender) -> Callable[[], Figures]:
    def turn() -> Figures:
        server.most()
        figures = site.burn(contender, site.tasks(TASKS))
        return figures | {"at_once": server.most()}

    return turn


WAITING = Group(
    "waiting",
    (
        Row(
            "10,000 tasks that wait a second each: so many wait at once", "1,000 at once", "at_once", "tasks", least=500
        ),
        Row("… memory", "1,000 at once", "peak_mib", "MiB", most=1024),
        Row("… threads", "1,000 at once", "threads", "threads"),
        Row("… rate", "1,000 at once"),
        Row("the same with all settings as they are by default: so many at once", "by default", "at_once", "tasks"),
        Row("… memory", "by default", "peak_mib", "MiB"),
        Row("… rate", "by default"),
    ),
    cases,
)
