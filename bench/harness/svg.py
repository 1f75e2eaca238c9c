"""SVG by hand: a handful of shapes, the same text for the same numbers, legible on white and on black."""

from html import escape
from pathlib import Path

FONT = "-apple-system, 'Segoe UI', 'Noto Sans', Helvetica, Arial, sans-serif"
# 4.2 to 1 or better against both of GitHub's backgrounds, white and #0d1117; so are the colours of who draws.
TEXT = "#737b84"
FAINT = "#7d858e"


class Svg:
    """Coordinates are pixels from the upper left corner."""

    def __init__(self, width: int, height: int, title: str) -> None:
        self.parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
            f'role="img" font-family="{FONT}" font-size="13" fill="{TEXT}">',
            f"<title>{escape(title)}</title>",
        ]

    def text(self, x: float, y: float, text: str, anchor: str = "start", fill: str = TEXT, bold: bool = False) -> None:
        weight = ' font-weight="600"' if bold else ""
        colour = f' fill="{fill}"' if fill != TEXT else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{colour}{weight}>{escape(text)}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float, width: float = 1, stroke: str = FAINT) -> None:
        ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
        opacity = ' stroke-opacity="0.35"' if stroke == FAINT else ""
        self.parts.append(f'<line {ends} stroke="{stroke}" stroke-width="{width:g}"{opacity}/>')

    def bar(self, x: float, y: float, width: float, height: float, fill: str) -> None:
        place = f'x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
        self.parts.append(f'<rect {place} rx="2" fill="{fill}"/>')

    def path(self, points: list[tuple[float, float]], stroke: str, dashes: str = "") -> None:
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{places}" fill="none" stroke="{stroke}" stroke-width="2"{dashed}/>')

    def dot(self, x: float, y: float, fill: str) -> None:
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{fill}"/>')

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join([*self.parts, "</svg>"]) + "\n")
