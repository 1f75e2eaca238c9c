"""One process that needs nothing beside RabbitMQ and PostgreSQL: `warren bench` with and without `--dev`."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from harness.growth.group import Cases, Figures, Group, Row, Site
from harness.growth.warm import warm
from harness.worker import Failed, environment, run

SECONDS = 600.0


@contextmanager
def cases(site: Site) -> Iterator[Cases]:
    warm(site, "echo")
    yield {"servers": lambda: on_servers(site), "one-process": lambda: bench(site, "--dev")}


def on_servers(site: Site) -> Figures:
    with site.servers.place() as place:
        vhost = urlsplit(place.rabbitmq_url).path.lstrip("/")
        return bench(site, "--vhost", vhost, RABBITMQ_URL=place.rabbitmq_url, DATABASE_URL=place.database_url)


def bench(site: Site, *where: str, **urls: str) -> Figures:
    site.servers.settle()
    settings = {
        "WARREN_COMPONENTS_URL": str(site.tools.target / "components"),
        "WARREN_COMPONENTS_CACHE": str(site.cache),
    }
    command = site.tools.command(("{warren}", "bench", "--only", "burn-down", "--output", "json"))
    tasks = ("--tasks", str(site.tasks()))
    out = run(
        [*command, *tasks, *where], environment(**settings, **urls), site.folder / "log", SECONDS, cwd=site.folder
    )
    try:
        figures: Figures = json.loads(out)["burn_down"]
    except (ValueError, KeyError):
        raise Failed(f"warren bench has to print one JSON object with a burn_down, it printed: {out[:200]}") from None
    return figures


ONE_PROCESS = Group(
    "one-process",
    (
        Row(
            "SQLite and the broker in the process, beside RabbitMQ and PostgreSQL",
            "one-process",
            figure="per_second",
            base="servers",
            least=1,
        ),
    ),
    cases,
)
