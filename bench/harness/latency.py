"""Latency against load: `bench latency` publishes on a schedule, and measures from a task's time to its answer."""

import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.contenders import Contender
from harness.rounds import Tools
from harness.servers import Servers
from harness.tables import milliseconds
from harness.worker import Failed, Running, last_lines, run, working

# Tasks a second, and for how long each; a task a second gives too few for a p99.
LOADS = ((1, 30.0), (100, 10.0), (1000, 10.0), (5000, 10.0), (10000, 10.0))
SHORTEST_SECONDS = 2.0
# The worker answers after so long at the latest, and what is late for its answer is waited for so long.
START_SECONDS, LATE_SECONDS = 60.0, 120.0


@dataclass(frozen=True)
class Generator:
    """`bench latency` on one worker."""

    command: tuple[str, ...]
    env: dict[str, str]
    log: Path

    def ask(self, rate: int, seconds: float) -> dict[str, Any]:
        arguments = ("latency", "--rate", str(rate), "--seconds", f"{seconds:g}")
        out = run((*self.command, *arguments), self.env, self.log, seconds + LATE_SECONDS)
        try:
            answer: dict[str, Any] = json.loads(out)
        except ValueError:
            raise Failed(f"bench {' '.join(arguments)} has to print one JSON object, it printed: {out[:200]}") from None
        return answer


def measure(contender: Contender, scale: float, servers: Servers, tools: Tools) -> Iterator[dict[str, Any]]:
    """A point for each load, on one worker, the lowest first: what the last one leaves behind is on no other's bill."""
    with servers.place() as place, tempfile.TemporaryDirectory(prefix="warren-bench.") as folder:
        log = Path(folder) / "log"
        env = tools.environment(contender, place, Path(folder) / "done")
        bench = tuple(tools.command(("{release}/bench",)))
        generator = Generator(bench, env, Path(folder) / "latency-log")
        servers.settle()
        with working(tools.command(contender.work), env, log) as worker:
            wait_for_answers(generator, worker, log)
            for rate, seconds in LOADS:
                yield generator.ask(rate, max(seconds * scale, SHORTEST_SECONDS))


def wait_for_answers(generator: Generator, worker: Running, log: Path) -> None:
    """Until a short load is answered in full: then everything is declared, connected and warm."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            said = generator.ask(20, 1.0)
            if said["answered"] == said["sent"]:
                return
            told = f"{said['answered']} of {said['sent']} tasks were answered"
        except Failed as failed:
            told = str(failed)
        if worker.poll() is not None:
            raise Failed(f"the worker ended with {worker.returncode}\n{last_lines(log)}")
        if time.monotonic() > deadline:
            raise Failed(f"no answers within {START_SECONDS:.0f} s: {told}\n{last_lines(log)}")


def told(point: dict[str, Any]) -> str:
    p50, p99 = (milliseconds(point[key]) for key in ("p50_us", "p99_us"))
    answered = f"{point['answered']} of {point['sent']} answered, {point['late']} sent late"
    return f"{point['rate']}/s: {answered}, p50 {p50} ms, p99 {p99} ms"
