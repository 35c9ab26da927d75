"""What a similarity index found: ids, tables, figures."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.embedding import plots
from labelaudit.embedding.distance import METRICS, Space
from labelaudit.embedding.neighbours import nearest_of
from labelaudit.embedding.views import duplicates_view, samples_view
from labelaudit.errors import LabelAuditError
from labelaudit.history.rows import one_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from labelaudit.embedding.embeddings import Embeddings
    from labelaudit.embedding.visualization import Visualization

Array = npt.NDArray[Any]


class Found:
    """Samples of which some were kept; see `labelaudit.embedding.Similarity` for what the arguments mean."""

    def __init__(self, embeddings: Embeddings, metric: str = "cosine", view: Any = None) -> None:
        one_of("metric", metric, METRICS)
        self.embeddings, self.metric = embeddings, metric
        self._rows = np.arange(len(embeddings)) if view is None else np.unique(embeddings.positions(view))
        self.threshold: float | None = None
        self._kept: Array | None = None

    def _ids(self) -> pd.Index[Any]:
        return self.embeddings.index[self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        of = "" if len(self) == len(self.embeddings) else f" of {len(self.embeddings):,}"
        return f"Similarity({len(self):,}{of} samples, {self.metric})"

    @cached_property
    def _space(self) -> Space:
        return Space(self.embeddings.vectors, self.metric)

    @property
    def sample_ids(self) -> Array:
        """Ids of the samples it answers about, in dataset order."""
        return self.embeddings.sample_ids[self._rows]

    def _found(self) -> Array:
        if self._kept is None:
            raise LabelAuditError(
                "nothing was looked for yet. Type: find_duplicates(threshold=0.05) or find_unique(500)"
            )
        return self._kept

    @property
    def searched(self) -> bool:
        """Whether anything was looked for: only then there are unique and duplicate samples."""
        return self._kept is not None

    @property
    def unique_ids(self) -> Array:
        """Ids of the samples kept, in dataset order."""
        return self.sample_ids[self._found()]

    @property
    def duplicate_ids(self) -> Array:
        """Ids of the samples dropped, in dataset order."""
        return self.sample_ids[~self._found()]

    @cached_property
    def _nearest_kept(self) -> tuple[Array, Array, Array]:
        """Of every dropped sample: its row, the nearest kept row, and the distance."""
        kept, dropped = self._rows[self._found()], self._rows[~self._found()]
        if not len(kept) or not len(dropped):
            return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
        found = nearest_of(self._space, dropped, kept, 1)
        return dropped, kept[found.indices[:, 0]], found.distances[:, 0]

    @property
    def neighbors_map(self) -> dict[Any, list[tuple[Any, float]]]:
        """{kept id: [(duplicate's id, distance), ...]}, nearest first, in the index's metric."""
        dropped, kept, distance = self._nearest_kept
        order = np.lexsort((dropped, distance, kept))
        ids = self.embeddings.sample_ids
        found: dict[Any, list[tuple[Any, float]]] = {}
        for of, one, far in zip(
            ids[kept[order]].tolist(), ids[dropped[order]].tolist(), distance[order].tolist(), strict=True
        ):
            found.setdefault(of, []).append((one, far))
        return found

    def duplicates_view(self, *, sort_by: str = "distance", reverse: bool = False) -> pd.DataFrame:
        """Return the duplicates, each group after the sample that was kept.

        Args:
            sort_by: order of the groups: "distance" of the nearest duplicate, or "count" of them.
            reverse: the largest first.

        Returns:
            Indexed by sample_id: type ("nearest" is kept, "duplicate"), nearest_id (the kept one), distance (to it)
            and, where known, label and split.
        """
        one_of("sort_by", sort_by, ("distance", "count"))
        return duplicates_view(self.embeddings, *self._nearest_kept, sort_by=sort_by, reverse=reverse)

    def unique_view(self) -> pd.DataFrame:
        """Return the samples kept, indexed by sample_id, with label and split where known."""
        return samples_view(self.embeddings, self._rows[self._found()])

    def visualize_unique(self, visualization: Visualization | None = None, *, ax: Axes | None = None) -> Axes:
        """Draw the samples kept among the others.

        Args:
            visualization: the points; default a PCA of the embeddings.
            ax: draw into these axes.
        """
        of = self._drawn(visualization)
        kinds = np.where(of.index.isin(self.unique_ids), "unique", "other")
        return plots.kinds(of, kinds, ("other", "unique"), ax, title=f"{len(self.unique_ids):,} unique samples")

    def visualize_duplicates(self, visualization: Visualization | None = None, *, ax: Axes | None = None) -> Axes:
        """Draw duplicates, the samples kept in their place, and a line between them.

        Args:
            visualization: the points; default a PCA of the embeddings.
            ax: draw into these axes.
        """
        of = self._drawn(visualization)
        dropped, kept, _ = self._nearest_kept
        ids = self.embeddings.sample_ids
        kinds = np.full(len(of), "unique", dtype=object)
        kinds[of.index.isin(ids[kept])] = "nearest"
        kinds[of.index.isin(ids[dropped])] = "duplicate"
        edges = (of.index.get_indexer(ids[dropped]), of.index.get_indexer(ids[kept]))
        title = f"{len(dropped):,} duplicates"
        return plots.kinds(of, kinds, ("unique", "nearest", "duplicate"), ax, title=title, edges=edges)

    def _drawn(self, visualization: Visualization | None) -> Visualization:
        self._found()
        of = visualization if visualization is not None else self.embeddings.visualize("pca")
        return of.select(self.sample_ids)

    def plot_distances(self, *, bins: int = 100, log: bool = False, ax: Axes | None = None) -> Axes:
        """Draw a histogram of every sample's distance to its nearest other one, and the last threshold.

        Args:
            bins: of the histogram.
            log: logarithmic counts.
            ax: draw into these axes.
        """
        every = len(self) == len(self.embeddings)
        of = self.embeddings if every else self.embeddings.select(self.sample_ids)
        found = of.neighbors(1, metric=self.metric).distances[:, :1].ravel()
        return plots.histogram(found, self.metric, self.threshold, bins, log, ax)
