"""Pictures of a study: plain functions from numbers to a matplotlib figure (no global state, any backend)."""

from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]
BLUE, ORANGE, GREEN, GREY = "#1f6feb", "#d4760a", "#1a7f37", "#6e7781"
PURPLE, RED = "#8250df", "#cf222e"


class Picture:
    """A matplotlib figure that shows itself in a notebook. ``figure`` is for further drawing, ``save`` for a file."""

    def __init__(self, figure: "Figure") -> None:
        self.figure = figure

    def save(self, path: Path | str) -> None:
        """Writes the picture in the format that the file's ending names."""
        self.figure.savefig(path)

    def svg(self) -> str:
        """An SVG element that can stand inside an HTML page; the same picture gives the same text."""
        import matplotlib

        text = StringIO()
        with matplotlib.rc_context({"svg.hashsalt": "belmont", "svg.fonttype": "path"}):
            self.figure.savefig(text, format="svg", metadata={"Date": None})
        drawing = text.getvalue()
        return drawing[drawing.index("<svg") :]

    def _repr_svg_(self) -> str:
        return self.svg()

    def __repr__(self) -> str:
        titles = [axes.get_title() for axes in self.figure.axes]
        return f"Picture({', '.join(titles)})"


def _figure(width: float, height: float) -> "Figure":
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def learning_curve(rounds: Sequence[int], auc: Sequence[float], references: Mapping[str, float]) -> Picture:
    """AUC after each round, with named horizontal lines to compare with."""
    from matplotlib.ticker import MaxNLocator

    figure = _figure(5.2, 4.0)
    axes = figure.add_subplot()
    axes.plot(rounds, auc, "o-", color=BLUE, label="federated")
    for (name, value), colour in zip(references.items(), (ORANGE, GREEN, GREY), strict=False):
        axes.axhline(value, linestyle="--", color=colour, label=f"{name} {value:.3f}")
    axes.set(xlabel="round", ylabel="AUC on held-out patients", title="Learning curve")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(frameon=False)
    return Picture(figure)


def coefficients(names: Sequence[str], estimates: Mapping[str, Sequence[float]]) -> Picture:
    """Coefficients side by side, one row for each name and one mark for each of the estimates."""
    figure = _figure(5.2, max(4.0, 0.9 + 0.27 * len(names)))
    axes = figure.add_subplot()
    places = np.arange(len(names))[::-1]
    marks = (("o", BLUE), ("x", ORANGE), ("D", GREEN))
    for index, ((label, values), (marker, colour)) in enumerate(zip(estimates.items(), marks, strict=False)):
        axes.plot(
            values, places + 0.14 * (1 - index), marker, color=colour, label=label, linestyle="none", markersize=6
        )
    axes.axvline(0.0, color=GREY, linewidth=0.8)
    axes.set_yticks(places, names)
    axes.set(xlabel="log odds ratio per reference standard deviation", title="Coefficients")
    axes.legend(frameon=False, loc="best")
    return Picture(figure)


def roc(curves: Mapping[str, tuple[Floats, Floats, float]]) -> Picture:
    """ROC curves: false positive rates, true positive rates and the AUC, by name."""
    figure = _figure(5.2, 4.0)
    axes = figure.add_subplot()
    for (name, (false_rate, true_rate, area)), colour in zip(curves.items(), (BLUE, ORANGE, GREEN), strict=False):
        axes.plot(false_rate, true_rate, color=colour, label=f"{name} {area:.3f}")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", title="ROC on held-out patients")
    axes.legend(frameon=False, loc="lower right")
    return Picture(figure)


def roc_bands(curves: Mapping[str, tuple[Floats, Floats, Floats, Floats, str]]) -> Picture:
    """ROC curves with each point's interval: false positive rates, true positive rates, lowest, highest, and what the
    legend says of it, by name."""
    figure = _figure(5.2, 4.0)
    axes = figure.add_subplot()
    colours = (BLUE, ORANGE, GREEN, GREY, PURPLE, RED)
    for (name, (false_rate, true_rate, low, high, note)), colour in zip(curves.items(), colours, strict=False):
        axes.fill_between(false_rate, low, high, color=colour, alpha=0.12, linewidth=0)
        axes.plot(false_rate, true_rate, color=colour, label=f"{name} {note}")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1)
    axes.set(xlabel="1 - specificity", ylabel="sensitivity", title="ROC of patients who were kept apart")
    axes.legend(frameon=False, loc="lower right")
    return Picture(figure)


def calibration(curves: Mapping[str, Sequence[tuple[float, float, float, float]]]) -> Picture:
    """Observed against predicted, by name: mean risk, observed share, lowest and highest of each group of patients."""
    figure = _figure(5.2, 4.0)
    axes = figure.add_subplot()
    most = 0.0
    colours = (BLUE, ORANGE, GREEN, GREY, PURPLE, RED)
    for (name, points), colour in zip(curves.items(), colours, strict=False):
        mean, observed, low, high = np.array(points, np.float64).reshape(-1, 4).T
        reach = np.clip([observed - low, high - observed], 0.0, None)
        axes.errorbar(mean, observed, yerr=reach, fmt="o-", color=colour, label=name, capsize=2, linewidth=1)
        most = max([most, *mean, *high])
    axes.plot([0, most], [0, most], color=GREY, linestyle=":", linewidth=1)
    axes.set(xlabel="predicted risk", ylabel="observed share", title="Calibration of patients who were kept apart")
    axes.legend(frameon=False, loc="upper left")
    return Picture(figure)


def forest(estimates: Mapping[str, tuple[float, float, float]], label: str, title: str) -> Picture:
    """One row each: value, lowest and highest, by name, from the top down."""
    figure = _figure(5.2, 1.2 + 0.3 * len(estimates))
    axes = figure.add_subplot()
    places = np.arange(len(estimates))[::-1]
    value, low, high = np.array(list(estimates.values()), np.float64).reshape(-1, 3).T
    reach = np.clip([value - low, high - value], 0.0, None)
    axes.errorbar(value, places, xerr=reach, fmt="s", color=BLUE, capsize=2, linestyle="none")
    axes.set_yticks(places, list(estimates))
    axes.set(xlabel=label, title=title)
    return Picture(figure)


def bars(labels: Sequence[str], counts: Sequence[float], title: str, unit: str) -> Picture:
    """A histogram whose cells were counted elsewhere."""
    figure = _figure(5.2, 3.0)
    axes = figure.add_subplot()
    axes.bar(range(len(labels)), counts, color=BLUE, width=0.9)
    step = max(1, len(labels) // 10)
    axes.set_xticks(range(0, len(labels), step), [labels[i] for i in range(0, len(labels), step)])
    axes.set(xlabel=unit, ylabel="patients", title=title)
    return Picture(figure)
