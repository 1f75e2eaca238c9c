"""The two plots of the README: the rate of each contender, and latency against load."""

import math
from pathlib import Path
from typing import Any

from harness.contenders import CONTENDERS, WARREN
from harness.results import Results
from harness.svg import Svg
from harness.tables import ratio, whole

WIDTH = 860
OURS, OTHERS, SPREAD = "#2f81f7", "#8b949e", "#c4620a"
# Of warren and of the two that it is compared with under load.
COLOURS = ("#2f81f7", "#c4620a", "#2a9d50", "#a55ee0")
# Which percentiles are drawn, and their dashes.
STROKES = (("p50_us", ""), ("p99_us", "5 4"))


def rate(results: Results, path: Path) -> None:
    """Bars from zero, so that lengths may be compared; those too short to be read have their number beside them."""
    contenders = results.measured()
    left, right, top, row = 120, 190, 44, 44
    svg = Svg(WIDTH, top + row * len(contenders) + 26, "Tasks a second")
    rounds = max(len(results.rates[contender.name]) for contender in contenders)
    of = "" if rounds == 1 else f", median of {rounds} rounds; the stroke is from the slowest to the fastest"
    svg.text(left, 18, f"Tasks a second{of}", bold=True)
    most = max(results.spread(contender.name)[2] for contender in contenders)
    scale = (WIDTH - left - right) / most
    for step in ticks(most):
        x = left + step * scale
        svg.line(x, top - 8, x, top + row * len(contenders))
        svg.text(x, top + row * len(contenders) + 17, whole(step), "middle")
    for i, contender in enumerate(contenders):
        low, middle, high = results.spread(contender.name)
        y = top + i * row
        colour = OURS if contender.name == WARREN else OTHERS
        svg.text(left - 10, y + 14, contender.name, "end", bold=contender.name == WARREN)
        svg.bar(left, y, max(middle * scale, 1), 18, colour)
        svg.line(left + low * scale, y + 9, left + high * scale, y + 9, 2, SPREAD)
        share = results.of_warrens(contender.name)
        of_warrens = f" ({ratio(share)} of warren's)" if share is not None and contender.name != WARREN else ""
        svg.text(left + high * scale + 8, y + 14, whole(middle) + of_warrens, bold=True)
        svg.text(left, y + 33, contender.what)
    svg.save(path)


def ticks(most: float) -> list[float]:
    """Four to ten round numbers from zero on."""
    size = 10.0 ** math.floor(math.log10(most))
    step = next(size * share for share in (0.1, 0.2, 0.5, 1.0) if most / (size * share) <= 10)
    return [step * i for i in range(int(most / step) + 1)]


def latency(results: Results, path: Path) -> None:
    """Both axes logarithmic; p50 is a line, p99 is dashed."""
    lines = [(c.name, points) for c in CONTENDERS if (points := results.points(c.name))]
    left, right, top, bottom, height = 70, 40, 64, 50, 440
    svg = Svg(WIDTH, height, "Latency against load")
    svg.text(left, 18, "ms from the time a task is due to its answer after the commit; line p50, dashed p99", bold=True)
    rates = [point["rate"] for _, points in lines for point in points]
    times = [ms for _, points in lines for key, _ in STROKES for _, ms in curve(points, key)]
    lowest, highest = math.floor(math.log10(min(times))), math.ceil(math.log10(max(times)))
    first, last = math.log10(min(rates)), math.log10(max(rates))

    def x(rate: float) -> float:
        return left + (math.log10(rate) - first) / max(last - first, 1) * (WIDTH - left - right)

    def y(ms: float) -> float:
        return height - bottom - (math.log10(ms) - lowest) / max(highest - lowest, 1) * (height - top - bottom)

    for power in range(lowest, highest + 1):
        svg.line(left, y(10.0**power), WIDTH - right, y(10.0**power))
        svg.text(left - 8, y(10.0**power) + 4, f"{10.0**power:g}", "end")
    for at in sorted(set(rates)):
        svg.line(x(at), top, x(at), height - bottom)
        svg.text(x(at), height - bottom + 20, whole(at), "middle")
    svg.text((left + WIDTH - right) / 2, height - 10, "tasks a second", "middle")
    for i, (name, points) in enumerate(lines):
        colour = COLOURS[i % len(COLOURS)]
        svg.line(left + 110 * i, 40, left + 110 * i + 22, 40, 3, colour)
        svg.text(left + 110 * i + 28, 44, name, fill=colour, bold=True)
        for key, dashes in STROKES:
            places = [(x(rate), y(ms)) for rate, ms in curve(points, key)]
            svg.path(places, colour, dashes)
            for place in places:
                svg.dot(*place, colour)
    svg.save(path)


def curve(points: list[dict[str, Any]], key: str) -> list[tuple[float, float]]:
    """The rates at which this percentile is known, and its milliseconds."""
    return [(point["rate"], us / 1000) for point in points if (us := point[key]) is not None]
