"""The audit's figures for papers and notebooks, with matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from labelaudit.errors import LabelAuditError
from labelaudit.history.rows import one_of
from labelaudit.report import charts
from labelaudit.report.curves import curves_of_audit
from labelaudit.report.hidden import visible
from labelaudit.report.media import shortened
from labelaudit.report.records import is_missing
from labelaudit.report.source import history_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from labelaudit.auditing.result import Audit

FLAGGED, CLEAN, GIVEN, SUGGESTED = "#c2260f", "#5b7083", "#b3400a", "#1d4ed8"
REGIONS = {"easy": "#0f766e", "ambiguous": "#a15c00", "hard": "#a3155f"}
NAME_LIMIT = 30  # characters
RASTERIZED_FROM = 5_000  # samples, so that a PDF stays small


def new_axes(ax: Axes | None) -> Axes:
    """Return the axes given, or new ones.

    Raises:
        LabelAuditError: matplotlib is not installed.
    """
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as plt
    except ModuleNotFoundError:
        raise LabelAuditError('figures need matplotlib. Type: pip install "labelaudit[plot]"') from None
    return plt.subplots(layout="constrained")[1]


def literal(name: object) -> str:
    """Return a name from data as a figure shows it: no formula, on one line, short enough to leave room for the figure.

    >>> literal("_x")  # a legend leaves out what begins with an underscore
    ' _x'
    """
    text = shortened(visible(" ".join(str(name).split()) or str(name)), NAME_LIMIT).replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def data_map(audit: Audit, *, colour: str, ax: Axes | None) -> Axes:
    """Draw confidence against variability."""
    one_of("colour", colour, ("region", "flagged"))
    axes, samples = new_axes(ax), audit.samples
    flagged = samples["is_label_issue"].to_numpy(bool)
    if colour == "region":
        groups = [(name, tint, (samples["region"] == name).to_numpy(bool)) for name, tint in REGIONS.items()]
    else:
        groups = [("not flagged", CLEAN, ~flagged), ("flagged", FLAGGED, flagged)]
    x, y = samples["variability"].to_numpy(), samples["confidence"].to_numpy()
    for name, tint, rows in groups:
        axes.scatter(
            x[rows], y[rows], s=6, c=tint, alpha=0.5, linewidths=0, label=name, rasterized=len(x) > RASTERIZED_FROM
        )
    axes.set(
        xlabel="variability (standard deviation of p(given))",
        ylabel="confidence (mean p(given))",
        ylim=(-0.02, 1.02),
        title="Data map",
    )
    axes.legend(markerscale=2)
    return axes


def noise_matrix(audit: Audit, *, max_classes: int, ax: Axes | None) -> Axes:
    """Draw the estimated P(given | true)."""
    axes, matrix = new_axes(ax), charts.noise_matrix(audit.noise_matrix, max_classes)
    names, values = matrix["names"], np.array(matrix["values"], dtype=float)
    off = values * (1 - np.eye(len(values)))
    axes.imshow(off, cmap="Reds", vmin=0, vmax=max(float(off.max(initial=0)) * 1.4, 1e-9))
    for row, column in np.argwhere(values >= 0.0005):
        axes.text(column, row, f"{values[row, column] * 100:.1f}".removesuffix(".0"), ha="center", va="center", size=8)
    shown = [literal(name) for name in names]
    axes.set_xticks(range(len(names)), shown, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), shown)
    left_out = f", {len(names)} of {len(names) + matrix['left_out']} classes" if matrix["left_out"] else ""
    axes.set(xlabel="given label", ylabel="true label (estimated)", title=f"P(given | true) in per cent{left_out}")
    return axes


def history(audit: Audit, sample_id: Any, *, named: Any, ax: Axes | None) -> Axes:
    """Draw the curves of one sample."""
    if np.ndim(sample_id):
        raise LabelAuditError(f"plot_history draws one sample and got {len(sample_id)}; call it for each of them")
    at = np.flatnonzero(audit.samples.index == sample_id)
    if not len(at):
        raise LabelAuditError(f"there is no sample {sample_id!r}; the first is {audit.samples.index[0]!r}")
    found = history_of(audit, named)
    if found is None:
        raise LabelAuditError("the history of this audit is not at hand; pass history= (a history or its path)")
    curves = curves_of_audit(audit, found, at)
    row, axes = audit.samples.iloc[int(at[0])], new_axes(ax)
    axes.plot(curves.epochs, curves.given[0], color=GIVEN, label=f"given: {literal(row['given_label'])}")
    if not is_missing(row["suggested_label"]):
        label = f"suggested: {literal(row['suggested_label'])}"
        axes.plot(curves.epochs, curves.suggested[0], color=SUGGESTED, linestyle="--", label=label)
    axes.set(
        xlabel="epoch",
        ylabel="probability",
        ylim=(-0.02, 1.02),
        title=f"Sample {literal(sample_id)}, label quality {row['label_quality']:.3f}",
    )
    axes.legend()
    return axes


def score_histogram(audit: Audit, *, bins: int, ax: Axes | None) -> Axes:
    """Draw the histogram of label_quality and the cut."""
    axes = new_axes(ax)
    quality = audit.samples["label_quality"].to_numpy()
    flagged = audit.samples["is_label_issue"].to_numpy(bool)
    axes.hist(
        [quality[flagged], quality[~flagged]],
        bins=bins,
        range=(0, 1),
        stacked=True,
        color=[FLAGGED, CLEAN],
        label=[f"flagged ({flagged.sum():,})", f"not flagged ({(~flagged).sum():,})"],
    )
    if flagged.any() and not flagged.all():
        axes.axvline(float(quality[~flagged].min()), color="black", linewidth=1.2)
    axes.set(
        xlabel="label quality (low is suspicious)", ylabel="samples", yscale="log", title="Label quality and the cut"
    )
    axes.legend()
    return axes
