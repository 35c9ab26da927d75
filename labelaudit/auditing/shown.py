"""How an audit is shown: the report as a file and in a notebook, and figures for papers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from labelaudit.auditing.result import Audit
    from labelaudit.embedding import Visualization
    from labelaudit.history import History
    from labelaudit.report.inline import InlineReport
    from labelaudit.report.page import Report


class Shown:
    """The part of an `Audit` that draws."""

    def to_html(
        self,
        path: str | os.PathLike[str],
        *,
        images: Any = None,
        texts: Any = None,
        rows: Any = None,
        history: History | str | os.PathLike[str] | None = None,
        visualization: Visualization | str | bool | None = None,
        title: str = "Label audit",
        max_cards: int = 2_000,
        thumbnail_size: int = 96,
        max_image_bytes: int = 16 * 2**20,
    ) -> Report:
        """Write the report: one HTML file that loads nothing from anywhere.

        Args:
            path: where to.
            images: (n, H, W[, C]) array, (n, C, H, W) too; a list of paths, arrays or PIL images; a function or
                mapping from the sample id to one of these; or the folder that the sample ids are files in.
            texts: one string per sample: list, Series, mapping or function of the id.
            rows: a DataFrame, indexed by sample id or one row per sample, for table data.
            history: the history (or its path) for the curves over the epochs; by default the one that was
                audited, if it is still where it was.
            visualization: the picture of the embeddings: what ``history.visualize()`` returned, or its key in
                ``history.runs``; default the newest one there; False for none.
            title: of the page.
            max_cards: how many samples, the worst first, can be looked at; the charts are over all of them.
            thumbnail_size: longest side of an image in the file, in pixels.
            max_image_bytes: bound of all images together; the worst samples come first.

        The report of a detection audit has a card for every box, with the piece of the picture around it (at least 240
        pixels) and the given and the suggested box over it; images are by image id, and texts and rows are not shown.

        Returns:
            The report, with its ``size`` in bytes and ``notes`` on what was left out.

        Raises:
            LabelAuditError: lengths do not fit, no image is found, or the history is of another audit.
        """
        from labelaudit.report.page import make_report

        report = make_report(
            cast("Audit", self),
            images=images,
            texts=texts,
            rows=rows,
            history=history,
            visualization=visualization,
            title=title,
            max_cards=max_cards,
            thumbnail_size=thumbnail_size,
            max_image_bytes=max_image_bytes,
        )
        report.save(path)
        return report

    def show(
        self,
        *,
        images: Any = None,
        texts: Any = None,
        rows: Any = None,
        history: History | str | os.PathLike[str] | None = None,
        visualization: Visualization | str | bool | None = None,
        max_cards: int = 300,
        height: int = 800,
    ) -> InlineReport:
        """Return the report for a notebook cell, as `to_html` makes it; ``height`` in pixels."""
        from labelaudit.report.inline import InlineReport
        from labelaudit.report.page import make_report

        report = make_report(
            cast("Audit", self),
            images=images,
            texts=texts,
            rows=rows,
            history=history,
            visualization=visualization,
            max_cards=max_cards,
        )
        return InlineReport(report, height)

    def _repr_html_(self) -> str:
        return self.show()._repr_html_()

    def plot_data_map(self, *, colour: str = "region", ax: Axes | None = None) -> Axes:
        """Draw the data map: confidence against variability (Swayamdipta et al. 2020), with matplotlib.

        Args:
            colour: "region" or "flagged".
            ax: where to draw; default a new figure.
        """
        from labelaudit.report import plots

        cast("Audit", self).refuse_boxes("the data map", "to_html() shows the boxes")
        return plots.data_map(cast("Audit", self), colour=colour, ax=ax)

    def plot_noise_matrix(self, *, max_classes: int = 15, ax: Axes | None = None) -> Axes:
        """Draw the estimated P(given | true) of at most ``max_classes`` classes, with matplotlib."""
        from labelaudit.report import plots

        return plots.noise_matrix(cast("Audit", self), max_classes=max_classes, ax=ax)

    def plot_history(
        self,
        sample_id: Any,
        *,
        history: History | str | os.PathLike[str] | None = None,
        ax: Axes | None = None,
    ) -> Axes:
        """Draw the probability of a sample's given and suggested label by epoch, with matplotlib.

        Raises:
            LabelAuditError: there is no such sample, or the history is not at hand.
        """
        from labelaudit.report import plots

        cast("Audit", self).refuse_boxes("plot_history()", "to_html() has the curve of every finding")
        return plots.history(cast("Audit", self), sample_id, named=history, ax=ax)

    def plot_score_histogram(self, *, bins: int = 50, ax: Axes | None = None) -> Axes:
        """Draw the histogram of label_quality (low is suspicious) and the cut, with matplotlib."""
        from labelaudit.report import plots

        return plots.score_histogram(cast("Audit", self), bins=bins, ax=ax)
