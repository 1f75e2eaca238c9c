"""RabbitMQ and PostgreSQL: a virtual host and a database for each measurement, dropped after it whatever happens."""

import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

import psycopg

from harness.usage import Snapshot, read
from harness.worker import Failed

# How idle both servers have to be before a measurement starts: a share of one core, and how long that is waited for.
IDLE, SETTLE_SECONDS = 0.1, 15.0
COMPOSE = ("docker", "compose", "exec", "-T", "rabbitmq")


def rabbitmqctl(*arguments: str) -> str:
    """In a session of its own: Ctrl-C is ours, and what we clean up must not be interrupted by it."""
    # else that of compose.yaml
    command = ["rabbitmqctl"] if shutil.which("rabbitmqctl") else [*COMPOSE, "rabbitmqctl"]
    done = subprocess.run([*command, "--quiet", *arguments], capture_output=True, text=True, start_new_session=True)
    if done.returncode != 0:
        raise Failed(f"rabbitmqctl {' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


def with_path(url: str, path: str) -> str:
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc, "/" + path, parts.query, ""))


@dataclass(frozen=True)
class Place:
    """Where one measurement is at home."""

    rabbitmq_url: str
    database_url: str


class Servers:
    def __init__(self, rabbitmq_url: str, database_url: str) -> None:
        self.rabbitmq_url, self.database_url = rabbitmq_url, database_url
        self.user = urlsplit(rabbitmq_url).username or "guest"
        self.places = 0
        self.admin = psycopg.connect(database_url, autocommit=True)
        self.rabbitmq_pid = known(int(rabbitmqctl("eval", "list_to_integer(os:getpid()).")), "beam.smp")
        backend = read(self.admin.info.backend_pid)
        self.postgres_pid = known(backend.parent, "postgres") if backend is not None else None
        if self.rabbitmq_pid is None or self.postgres_pid is None:
            print("the servers' processes can't be seen from here: no processor time is told of them", file=sys.stderr)

    @contextmanager
    def place(self) -> Iterator[Place]:
        self.places += 1
        name = f"warren_bench_{secrets.token_hex(4)}_{self.places}"
        try:
            rabbitmqctl("add_vhost", name)
            rabbitmqctl("set_permissions", "--vhost", name, self.user, ".*", ".*", ".*")
            self.admin.execute(f"CREATE DATABASE {name}".encode())
            yield Place(with_path(self.rabbitmq_url, name), with_path(self.database_url, name))
        finally:
            # each on its own, and whatever happened before stays what is told
            for drop in (self.drop_database, lambda name: rabbitmqctl("delete_vhost", name)):
                try:
                    drop(name)
                except (Failed, psycopg.Error) as error:
                    print(f"{name} is left behind: {error}", file=sys.stderr)

    def drop_database(self, name: str) -> None:
        self.admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)".encode())

    def settle(self) -> None:
        """Waits until both have done what they have left to do: it would be on the bill of the one that comes next."""
        try:
            self.admin.execute("CHECKPOINT")
        except psycopg.errors.InsufficientPrivilege:
            pass
        deadline = time.monotonic() + SETTLE_SECONDS
        while time.monotonic() < deadline:
            before = self.cpu(Snapshot())
            time.sleep(0.5)
            after = self.cpu(Snapshot())
            if all(b is None or a is None or (a - b) / 0.5 < IDLE for b, a in zip(before, after, strict=True)):
                return
        print(
            f"RabbitMQ or PostgreSQL is busy even after {SETTLE_SECONDS:.0f} s: what follows pays for it",
            file=sys.stderr,
        )

    def cpu(self, now: Snapshot, without: int | None = None) -> tuple[float | None, float | None]:
        """Seconds of RabbitMQ and of PostgreSQL so far."""
        return now.cpu_seconds(self.rabbitmq_pid), now.cpu_seconds(self.postgres_pid, without)

    def versions(self) -> dict[str, str]:
        postgres = self.admin.info.parameter_status("server_version") or "unknown"
        return {"RabbitMQ": rabbitmqctl("version").splitlines()[-1], "PostgreSQL": postgres.split()[0]}


def known(pid: int, name: str) -> int | None:
    """A process id that a server gives is one of its own machine or container: here it must have the right name."""
    process = read(pid)
    return pid if process is not None and process.name == name else None
