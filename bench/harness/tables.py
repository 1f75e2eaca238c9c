"""The tables that are printed at the end, and can stand in the README as they are."""

from collections.abc import Sequence

from harness.contenders import CONTENDERS
from harness.results import PERCENTILES, Results
from harness.rounds import PROCESSES


def rates(results: Results) -> str:
    rows = [["contender", "what it is", "min", "median", "max", "of warren's", *PROCESSES, "MiB"]]
    for contender in results.measured():
        spread = (whole(rate) for rate in results.spread(contender.name))
        cpu = (whole(results.cpu_us(contender.name, process)) for process in PROCESSES)
        share, mib = ratio(results.of_warrens(contender.name)), whole(results.peak_mib(contender.name))
        rows.append([contender.name, contender.what, *spread, share, *cpu, mib])
    what = "Tasks a second; µs of processor time a task, of each process; memory of the worker at its peak"
    return f"{what}:\n\n{table(rows)}"


def latencies(results: Results) -> str:
    rows = [["contender", "what it is", "tasks/s", "p50 ms", "p99 ms", "p99.9 ms", "answered", "sent late"]]
    for contender in CONTENDERS:
        for point in results.points(contender.name):
            ms = (milliseconds(point[key]) for key in PERCENTILES)
            shares = (f"{point[key]:.1%}" for key in ("answered", "late"))
            rows.append([contender.name, contender.what, whole(point["rate"]), *ms, *shares])
    what = "From the time a task is due to its answer, which comes after the commit; sent late: by more than 10 ms"
    return f"{what}:\n\n{table(rows)}"


def failures(results: Results) -> str:
    lines = []
    for name, told in results.failures.items():
        for words in dict.fromkeys(told):
            times = f" {told.count(words)} times" if told.count(words) > 1 else ""
            lines.append(f"{name} failed{times}: {words}")
    return "\n".join(lines)


def milliseconds(us: float | None) -> str:
    return "–" if us is None else f"{us / 1000:.2f}"


def whole(number: float | None) -> str:
    return "–" if number is None else f"{number:,.0f}"


def ratio(number: float | None) -> str:
    """Two digits that count: 1.0, 0.45, 0.021."""
    return "–" if number is None else f"{number:#.2g}" if number < 100 else f"{number:.0f}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Markdown: the first row is the head, the first two columns are words, the others numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]

    def line(row: Sequence[str]) -> str:
        cells = (cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True)))
        return f"| {' | '.join(cells)} |"

    rule = (":" + "-" * (w - 1) if i < 2 else "-" * (w - 1) + ":" for i, w in enumerate(widths))
    return "\n".join([line(rows[0]), f"| {' | '.join(rule)} |", *map(line, rows[1:])])
