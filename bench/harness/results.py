"""What was measured: gathered round by round, kept as JSON, and the numbers that tables and plots are made of."""

import json
import os
import platform
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from harness.contenders import CONTENDERS, WARREN, Contender

LIBRARIES = ("celery", "dramatiq", "taskiq", "taskiq-aio-pika")
PERCENTILES = ("p50_us", "p99_us", "p999_us")


class Results:
    """By contender: its rounds, the points of its latency (each round's, a load each), and how it failed."""

    def __init__(self, about: dict[str, Any]) -> None:
        self.about = about
        self.rates: dict[str, list[dict[str, Any]]] = {}
        self.latencies: dict[str, list[dict[str, Any]]] = {}
        self.failures: dict[str, list[str]] = {}
        # By group: at which scale, and the turns of each case.
        self.growth: dict[str, dict[str, Any]] = {}

    def save(self, path: Path) -> None:
        parts = {"about": self.about, "rates": self.rates, "latencies": self.latencies, "failures": self.failures}
        path.write_text(json.dumps(parts | {"growth": self.growth}, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> "Results":
        parts = json.loads(path.read_text())
        results = cls(parts["about"])
        results.rates, results.latencies, results.failures = parts["rates"], parts["latencies"], parts["failures"]
        results.growth = parts.get("growth", {})
        return results

    def measured(self) -> list[Contender]:
        """Those with rates, in the order of the table."""
        return [contender for contender in CONTENDERS if self.rates.get(contender.name)]

    def spread(self, name: str) -> tuple[float, float, float]:
        """Minimum, median and maximum of the rate."""
        rates = [each["rate"] for each in self.rates[name]]
        return min(rates), median(rates), max(rates)

    def of_warrens(self, name: str) -> float | None:
        """The median as a share of warren's."""
        return self.spread(name)[1] / self.spread(WARREN)[1] if self.rates.get(WARREN) else None

    def cpu_us(self, name: str, process: str) -> float | None:
        """Processor time of one process for a task, the median."""
        return median_of_known(each["cpu_us"][process] for each in self.rates[name])

    def peak_mib(self, name: str) -> float:
        return float(median(each["peak_mib"] for each in self.rates[name]))

    def points(self, name: str) -> list[dict[str, Any]]:
        """A point a load, its percentiles each the median of those of the rounds; none of too few tasks."""
        by_rate: dict[float, list[dict[str, Any]]] = {}
        for point in self.latencies.get(name, []):
            by_rate.setdefault(point["rate"], []).append(point)
        return [
            {"rate": rate, "answered": share_of_sent("answered", points), "late": share_of_sent("late", points)}
            | {key: median_of_known(p[key] for p in points) for key in PERCENTILES}
            for rate, points in sorted(by_rate.items())
        ]


def share_of_sent(key: str, points: list[dict[str, Any]]) -> float:
    return float(sum(p[key] for p in points) / max(sum(p["sent"] for p in points), 1))


def median_of_known(figures: Iterable[float | None]) -> float | None:
    known = [figure for figure in figures if figure is not None]
    return median(known) if known else None


def about(rounds: int, scale: float, measured: dict[str, str]) -> dict[str, Any]:
    """On what it was measured, so that numbers of different days can be told apart."""
    software = measured | {"Python": platform.python_version()} | {name: version(name) for name in LIBRARIES}
    return {"rounds": rounds, "scale": scale, "cores": os.cpu_count(), "processor": processor(), "versions": software}


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
