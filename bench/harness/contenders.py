"""The contenders, an entry each: what it is, how it is started, and by what its finished tasks are counted."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

PEERS = Path(__file__).parent.parent / "peers"
STORED = "SELECT count(*) FROM task_store WHERE status = 'COMPLETED'"
BY_HAND = "SELECT count(*) FROM task WHERE status = 'COMPLETED'"
BY_CELERY = "SELECT count(*) FROM celery_taskmeta WHERE status = 'SUCCESS'"


@dataclass(frozen=True)
class Contender:
    """`publish` (which gets the number) and `work` are commands, with {places} as `Tools` knows them."""

    name: str
    what: str
    # In a round: enough for some seconds, or for half a minute of a slow one.
    tasks: int
    publish: tuple[str, ...]
    work: tuple[str, ...]
    # The query that counts finished tasks. None: each is a byte in a file.
    rows: str | None = None
    # Whether it answers to reply_to after the commit, so that its latency can be measured.
    answers: bool = False
    # Variables of its own.
    settings: Mapping[str, str] = field(default_factory=dict)
    # Processes that share the work.
    workers: int = 1
    # The measurement begins when so many tasks are done.
    warm_up: int = 0


def ours(name: str, what: str, tasks: int, work: str, rows: str, answers: bool = True) -> Contender:
    return Contender(name, what, tasks, ("{release}/bench", "publish"), tuple(work.split()), rows, answers)


def without_ids(name: str, what: str, like: Contender) -> Contender:
    return replace(like, name=name, what=what, publish=(*like.publish, "--without-ids"), answers=False)


def peer(name: str, what: str, tasks: int, file: str, rows: str | None = None) -> Contender:
    script = ("{python}", "{peers}/" + file)
    return Contender(name, what, tasks, (*script, "publish"), (*script, "work"), rows)


WARREN = "warren"

THIS = ours(WARREN, "warren run: a component, a row a task", 100000, "{warren} run", STORED)

CONTENDERS = (
    THIS,
    without_ids("warren-no-ids", "the same, tasks without a message id", THIS),
    ours("loop", "consume, run the component, batched upsert, group ack", 100000, "{release}/bench loop", STORED),
    ours("by-hand", "Rust, an insert, an update and an ack a message", 10000, "{release}/bench by-hand", BY_HAND),
    ours("subprocess", "a process a task", 500, "{release}/bench subprocess", BY_HAND, answers=False),
    peer("celery-results", "Celery, results in Postgres", 4000, "celery_peer.py", BY_CELERY),
    peer("celery", "Celery, no results", 10000, "celery_peer.py"),
    peer("dramatiq", "dramatiq, no results", 100000, "dramatiq_peer.py"),
    peer("taskiq", "taskiq, no results", 20000, "taskiq_peer.py"),
)


def chosen(names: str | None) -> list[Contender]:
    """Those that a list with commas names, in the order of the table; all, if there is none."""
    if names is None:
        return list(CONTENDERS)
    wanted = names.split(",")
    known = [contender.name for contender in CONTENDERS]
    for name in wanted:
        if name not in known:
            raise SystemExit(f"there is no contender {name}: there are {', '.join(known)}")
    return [contender for contender in CONTENDERS if contender.name in wanted]
