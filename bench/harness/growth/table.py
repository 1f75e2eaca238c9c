"""The table of what grows: each figure, the goal, and whether it is met."""

from collections.abc import Sequence
from statistics import median
from typing import Any

from harness.growth.group import Group, Row
from harness.tables import table

Turns = dict[str, list[dict[str, Any]]]
HEAD = ["what", "goal", "min", "median", "max", "of", "ratio", "met"]


def growth(groups: Sequence[Group], measured: dict[str, dict[str, Any]]) -> str:
    rows = [HEAD]
    for group in groups:
        turns: Turns = measured.get(group.name, {}).get("cases", {})
        rows.extend(line(row, turns) for row in group.rows if values(turns, row.case, row.figure))
    return "\n".join([table(rows), *scales(measured)])


def scales(measured: dict[str, dict[str, Any]]) -> list[str]:
    """Where there was less to do than the rows say."""
    smaller = [f"{name} at {each['scale']:g}" for name, each in measured.items() if each["scale"] != 1]
    return ["", f"So many times the tasks and rows: {', '.join(smaller)}."] if smaller else []


def line(row: Row, turns: Turns) -> list[str]:
    """A share is that of the medians of one run."""
    found, base = values(turns, row.case, row.figure), values(turns, row.base, row.base_figure or row.figure)
    share = median(found) / median(base) if base else None
    judged = share if row.base is not None else median(found)
    spread = map(number, (min(found), median(found), max(found)))
    of = number(median(base)) if base else "–"
    return [
        f"{row.what} ({row.unit})",
        goal(row),
        *spread,
        of,
        "–" if share is None else f"{share:.2f}",
        verdict(row, judged),
    ]


def goal(row: Row) -> str:
    times = "×" if row.base is not None else f" {row.unit}"
    if row.least is not None:
        return f"≥ {row.least:g}{times}"
    return f"≤ {row.most:g}{times}" if row.most is not None else "–"


def verdict(row: Row, judged: float | None) -> str:
    if judged is None or (row.least is None and row.most is None):
        return "–"
    met = judged >= (row.least or 0) and judged <= (row.most or judged)
    return "yes" if met else "no"


def values(turns: Turns, case: str | None, figure: str) -> list[float]:
    return [turn[figure] for turn in turns.get(case or "", []) if turn.get(figure) is not None]


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
