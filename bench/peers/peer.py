"""What the peers have in common: the task, how a finished one is told, and the two verbs.

`PEER.py publish COUNT` returns when the broker has all of them; `PEER.py work` runs the library's own worker until
SIGTERM. BENCH_RABBITMQ_URL says where; BENCH_DONE_FILE gets one byte a finished task, for who stores no results.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

# A worker process for each core of a small machine; warren has as many threads.
PROCESSES = 2
TEXT = "a task of some eighty bytes, as one of this kind has"

_done_file: int | None = None


def rabbitmq_url() -> str:
    return os.environ["BENCH_RABBITMQ_URL"]


def payload(n: int) -> dict[str, Any]:
    return {"n": n, "text": TEXT}


def tell_finished() -> None:
    """One byte more in the file: appends of several processes don't mix, and the file's size is the number."""
    global _done_file
    path = os.environ.get("BENCH_DONE_FILE")
    if path is None:
        return
    if _done_file is None:
        _done_file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    os.write(_done_file, b".")


def become(module: str, *arguments: str) -> NoReturn:
    """Becomes `python -m MODULE ARGUMENTS…`: the worker as its users start it, with the process id that we had."""
    os.environ["PYTHONPATH"] = str(Path(__file__).parent)
    os.execv(sys.executable, [sys.executable, "-m", module, *arguments])


def main(publish: Callable[[int], None], work: Callable[[], NoReturn]) -> None:
    match sys.argv[1:]:
        case ["publish", count] if count.isdecimal():
            publish(int(count))
        case ["work"]:
            work()
        case _:
            sys.exit(f"usage: {sys.argv[0]} publish COUNT | work")
