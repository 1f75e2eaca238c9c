"""Watches workers finish what there is to do."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.usage import Snapshot
from harness.worker import Failed, Running, last_lines

# As long as nothing more gets finished, workers are given so much time.
PATIENCE_SECONDS = 60.0
# Between two looks at what is done: so much at the start and at the end; up to so much between, where a look tells
# nothing, but costs the database a count of all rows.
SOONEST, LATEST = 0.02, 0.5

Cpu = tuple[float | None, ...]


@dataclass(frozen=True)
class Look:
    at: float
    done: int
    # Seconds of the workers, then of each server.
    cpu: Cpu


@dataclass
class Watcher:
    tasks: int
    # The measurement begins when so many are done.
    warm_up: int
    workers: Sequence[Running]
    logs: Sequence[Path]
    servers_cpu: Callable[[Snapshot], Cpu]
    # The most that was seen of all workers together.
    peak_mib: float = 0.0
    threads: int = 0

    def watch(self, count: Callable[[], int]) -> tuple[Look, Look]:
        """Start-up is not measured: the first look that finds something is where it begins."""
        first, newest = None, None
        started = time.monotonic()
        while True:
            # before the count, which sees what was there when it began
            at = time.monotonic()
            done = count()
            now = Snapshot()
            self.peak_mib = max(self.peak_mib, sum(now.peak_mib(worker.pid) for worker in self.workers))
            self.threads = max(self.threads, sum(now.threads(worker.pid) for worker in self.workers))
            if done > (newest.done if newest else 0):
                newest = Look(at, done, (self.workers_cpu(now), *self.servers_cpu(now)))
                first = first or (newest if done > self.warm_up else None)
            if done >= self.tasks and first and newest:
                if newest is first:
                    raise Failed(f"all {self.tasks} tasks were done at the first look: that is too few to measure")
                return first, newest
            so_far = f"{done} of {self.tasks} tasks are done"
            self.ensure_runs(so_far)
            if at - (newest.at if newest else started) > PATIENCE_SECONDS:
                raise Failed(f"{so_far}, and none more for {PATIENCE_SECONDS:.0f} s{self.last_lines()}")
            time.sleep(self.pause(first, newest))

    def workers_cpu(self, now: Snapshot) -> float | None:
        known = [seconds for worker in self.workers if (seconds := now.cpu_seconds(worker.pid)) is not None]
        return sum(known) if known else None

    def ensure_runs(self, so_far: str) -> None:
        for worker in self.workers:
            if worker.poll() is not None:
                raise Failed(f"{so_far}, and the worker ended with {worker.returncode}{self.last_lines()}")

    def last_lines(self) -> str:
        return "".join(f"\n{last_lines(log)}" for log in self.logs)

    def pause(self, first: Look | None, newest: Look | None) -> float:
        """A quarter of the time that the rest takes at the speed so far."""
        if first is None or newest is None or newest is first:
            return SOONEST
        rest = (self.tasks - newest.done) * (newest.at - first.at) / (newest.done - first.done)
        return min(max(rest / 4, SOONEST), LATEST)
