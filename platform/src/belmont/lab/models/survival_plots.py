"""Pictures of survival: curves with who is at risk, hazard ratios, and how well scores tell who is sooner."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from belmont.federated.models.survival_curves import Curve
from belmont.lab.plots import BLUE, GREEN, GREY, ORANGE, Picture

Floats = NDArray[np.float64]
_COLOURS = (BLUE, ORANGE, GREEN, GREY, "#8250df", "#bf3989")
_TICKS = 6
_RATIOS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0, 3.0, 5.0, 10.0, 20.0)


def steps(curves: Mapping[str, Curve], unit: str, level: float) -> Picture:
    """Curves as steps with intervals; below, the number at risk at some of the times, by group."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2 + 0.22 * len(curves)), layout="constrained")
    axes, below = figure.subplots(2, 1, sharex=True, height_ratios=[10, 0.6 + 0.6 * len(curves)])
    places = range(len(curves))
    for place, (name, each) in zip(places, curves.items(), strict=True):
        colour = _COLOURS[place % len(_COLOURS)]
        times = np.concatenate([[0.0], each.times])
        axes.step(times, np.concatenate([[1.0], each.survival]), where="post", color=colour, label=name)
        bounds = (np.concatenate([[1.0], bound]) for bound in (each.low, each.high))
        axes.fill_between(times, *bounds, step="post", color=colour, alpha=0.15, linewidth=0)
        ticks = np.unique(np.linspace(0, len(each.times) - 1, _TICKS).round().astype(int))
        for tick in ticks:
            # Shown at a cell's start: who is at risk in it.
            start = 0.0 if tick == 0 else each.times[tick - 1]
            below.text(start, -place, f"{each.at_risk[tick]:.0f}", ha="center", va="center", color=colour, fontsize=8)
    axes.set(ylabel="without event", ylim=(0, 1.03), title=f"Survival, {level:.0%} intervals")
    axes.legend(frameon=False)
    below.set(xlabel=unit, ylim=(-len(curves) + 0.4, 0.6), yticks=[-place for place in places])
    below.set_yticklabels(list(curves), fontsize=8)
    below.set_title("at risk", fontsize=8, loc="left")
    for side in ("top", "right", "left"):
        below.spines[side].set_visible(False)
    below.tick_params(left=False)
    return Picture(figure)


def forest(names: Sequence[str], ratio: Floats, low: Floats, high: Floats, level: float) -> Picture:
    """Hazard ratios with intervals on a logarithmic axis, and their numbers."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import NullFormatter

    figure = Figure(figsize=(6.4, 1.4 + 0.32 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    places = np.arange(len(names))[::-1]
    axes.errorbar(
        ratio, places, xerr=np.vstack([ratio - low, high - ratio]), fmt="o", color=BLUE, capsize=3, linewidth=1.2
    )
    axes.axvline(1.0, color=GREY, linewidth=0.8)
    axes.set_xscale("log")
    ticks = [tick for tick in _RATIOS if min(low.min(), 1.0) <= tick <= max(high.max(), 1.0)]
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_yticks(places, list(names))
    axes.set(xlabel="hazard ratio per reference standard deviation", title=f"Hazard ratios, {level:.0%} intervals")
    numbers = axes.secondary_yaxis("right")
    numbers.set_yticks(places, [f"{r:.2f} ({a:.2f} to {b:.2f})" for r, a, b in zip(ratio, low, high, strict=True)])
    numbers.tick_params(right=False)
    return Picture(figure)


def over_time(curves: Mapping[str, Sequence[tuple[float, float, float, float]]], unit: str, title: str) -> Picture:
    """AUC at some times with intervals, by name: time, value, lowest and highest."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2, 4.0), layout="constrained")
    axes = figure.add_subplot()
    for place, (name, points) in enumerate(curves.items()):
        times, value, low, high = np.array(points, np.float64).reshape(-1, 4).T
        reach = np.clip([value - low, high - value], 0.0, None)
        colour = _COLOURS[place % len(_COLOURS)]
        axes.errorbar(times, value, yerr=reach, fmt="o-", color=colour, label=name, capsize=2, linewidth=1)
    axes.axhline(0.5, color=GREY, linestyle=":", linewidth=1)
    axes.set(xlabel=unit, ylabel="AUC", title=title)
    axes.legend(frameon=False)
    return Picture(figure)
