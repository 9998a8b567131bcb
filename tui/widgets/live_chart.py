"""The chart of one number over the training steps."""

from __future__ import annotations

from collections.abc import Sequence

from textual.color import Color
from textual_plotext import PlotextPlot

from tui.story import Point
from tui.words import number


class LiveChart(PlotextPlot):  # type: ignore[misc]  # the library has no types
    """Draws lines of points. `show` draws only when points were added."""

    def __init__(self) -> None:
        super().__init__()
        self._drawn: tuple[object, ...] = ()

    def show(self, title: str, lines: Sequence[tuple[str, str, Sequence[Point]]]) -> None:
        """`lines` are (label, theme colour, points); points are (step, value), in order."""
        state = (title, *((label, len(points), points[-1:]) for label, _, points in lines))
        if state == self._drawn:
            return
        self._drawn = state
        self.border_title = title
        labels = [f"[${colour}]{label}[/]" for label, colour, points in lines if points]
        self.border_subtitle = " and ".join(labels) if len(labels) > 1 else ""
        self.plt.clear_data()
        self.plt.clear_figure()
        self.plt.frame(False)
        self.plt.grid(False, False)
        self._mark_steps([points for _, _, points in lines if points])
        for _, colour, points in lines:
            self._draw(colour, points)
        self.refresh()

    def _mark_steps(self, lines: Sequence[Sequence[Point]]) -> None:
        """Whole numbers below the chart; plotext by itself writes 45.8 for a step."""
        if not lines:
            self.plt.xticks([], [])
            self.plt.yticks([], [])
            return
        first, last = min(points[0][0] for points in lines), max(points[-1][0] for points in lines)
        ticks = sorted({first + (last - first) * part // 4 for part in range(5)})
        self.plt.xticks(ticks, [f"{tick:,}" for tick in ticks])
        values = [value for points in lines for _, value in points]
        low, high = min(values), max(values)
        marks = sorted({low + (high - low) * part / 3 for part in range(4)})
        self.plt.yticks(marks, [number(mark) for mark in marks])

    def _draw(self, colour: str, points: Sequence[Point]) -> None:
        if not points:
            return
        shown = thinned(points, max(2 * self.size.width, 60))
        rgb = Color.parse(self.app.theme_variables[colour]).rgb
        steps, values = [at for at, _ in shown], [value for _, value in shown]
        if len(shown) == 1:
            self.plt.scatter(steps, values, color=rgb, marker="dot")
        else:
            self.plt.plot(steps, values, color=rgb, marker="braille")


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most about `most` points that keep the first, the last, and every peak and dip."""
    if len(points) <= most:
        return list(points)
    size = -(-len(points) * 2 // most)
    kept: list[Point] = [points[0]]
    for start in range(0, len(points), size):
        group = points[start : start + size]
        low, high = min(group, key=lambda point: point[1]), max(group, key=lambda point: point[1])
        kept += sorted({low, high})
    kept.append(points[-1])
    return kept
