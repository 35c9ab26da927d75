"""Drawing embeddings with matplotlib."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.embedding.checks import checked_column
from labelaudit.errors import LabelAuditError
from labelaudit.history.rows import one_of
from labelaudit.report.plots import RASTERIZED_FROM, literal, new_axes

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from labelaudit.embedding.visualization import Visualization

Array = npt.NDArray[Any]

MOST_IN_LEGEND = 20  # groups
TINTS = {"other": "#b8c2cc", "unique": "#1d4ed8", "nearest": "#a15c00", "duplicate": "#c2260f"}


def scatter(of: Visualization, colour: Any, ax: Axes | None, title: str | None) -> Axes:
    """Draw points, coloured by a column; see `Visualization.plot`."""
    values, name = colour_values(of, colour)
    axes = new_axes(ax)
    if values is None:
        _points(axes, of.points, c=TINTS["unique"])
    elif values.dtype.kind in "fiu" and (values.dtype.kind == "f" or len(np.unique(values)) > MOST_IN_LEGEND):
        shown = _points(axes, of.points, c=values, cmap="viridis")
        axes.figure.colorbar(shown, ax=axes, label=literal(name))
    else:
        _groups(axes, of.points, values, name)
    return _finished(axes, title or f"{of.method}, {len(of):,} samples")


def colour_values(of: Visualization, colour: Any) -> tuple[Array | None, str]:
    """Return what colours the points, (n,) or None, and its name.

    Raises:
        LabelAuditError: it is not known, or does not fit the points.
    """
    import pandas as pd

    if isinstance(colour, pd.Series):
        found = colour.reindex(of.index)
        if colour.index.isin(of.index).sum() == 0 and len(of):
            raise LabelAuditError("the column to colour by names none of these samples in its index")
        return found.to_numpy(), str(colour.name or "")
    if colour is None:
        colour = "label" if of.labels is not None else ""
    if isinstance(colour, str):
        if not colour:
            return None, ""
        one_of("colour", colour, ("label", "split"))
        known = of.labels if colour == "label" else of.splits
        if known is None:
            raise LabelAuditError(f"these points have no {colour}s; pass them: colour=values, one for each point")
        if colour == "label" and of.class_names is not None:
            known = np.array([*of.class_names, "missing"], dtype=object)[known]
        return known, colour
    return checked_column("colour", colour, len(of)), ""


def kinds(
    of: Visualization,
    values: Array,
    order: Sequence[str],
    ax: Axes | None,
    *,
    title: str,
    edges: tuple[Array, Array] | None = None,
) -> Axes:
    """Draw points of a few kinds, the later kinds on top, with lines between pairs of them."""
    from matplotlib.collections import LineCollection

    axes = new_axes(ax)
    if edges is not None and len(edges[0]):
        lines = np.stack([of.points[edges[0]], of.points[edges[1]]], axis=1)
        axes.add_collection(LineCollection(list(lines), colors="#5b7083", linewidths=0.6, zorder=1))
    for place, kind in enumerate(order):
        rows = values == kind
        tint = TINTS["other"] if kind == order[0] else TINTS[kind]
        _points(axes, of.points[rows], c=tint, label=f"{kind} ({rows.sum():,})", s=4 + 5 * place, zorder=2 + place)
    axes.legend(markerscale=2)
    return _finished(axes, title)


def histogram(distances: Array, metric: str, threshold: float | None, bins: int, log: bool, ax: Axes | None) -> Axes:
    """Draw the distances to the nearest other sample."""
    axes = new_axes(ax)
    axes.hist(distances, bins=bins, color=TINTS["unique"], log=log)
    if threshold is not None:
        axes.axvline(threshold, color="black", linewidth=1.2, label=f"threshold {threshold:.4g}")
        axes.legend()
    axes.set(xlabel=f"distance to the nearest other sample ({metric})", ylabel="samples")
    return axes


def _groups(axes: Axes, points: Array, values: Array, name: str) -> None:
    import pandas as pd

    codes, groups = pd.factorize(values, sort=False)
    order = sorted(range(len(groups)), key=lambda group: str(groups[group]))
    for place, group in enumerate(order):
        tint = f"C{place % 10}" if len(groups) <= 10 else None
        label = literal(groups[group]) if place < MOST_IN_LEGEND else None
        _points(axes, points[codes == group], c=tint, label=label)
    if (codes < 0).any():
        _points(axes, points[codes < 0], c=TINTS["other"], label="missing")
    axes.legend(markerscale=2, title=literal(name) or None, fontsize="small")


def _points(axes: Axes, points: Array, **options: Any) -> Any:
    return axes.scatter(
        points[:, 0],
        points[:, 1],
        **{"s": 6, "alpha": 0.7, "linewidths": 0, "rasterized": len(points) > RASTERIZED_FROM, **options},
    )


def _finished(axes: Axes, title: str) -> Axes:
    axes.set(title=title, xticks=[], yticks=[])
    return axes
