"""An index of look-alikes: sorting by similarity, near duplicates, unique samples."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import numpy.typing as npt

from labelaudit.embedding import plots
from labelaudit.embedding.distance import METRICS, Space
from labelaudit.embedding.duplicates import checked_threshold
from labelaudit.embedding.neighbours import nearest_of
from labelaudit.embedding.queries import AGGREGATIONS, distances_to
from labelaudit.embedding.thinning import keep_apart, keep_number
from labelaudit.errors import LabelAuditError
from labelaudit.history.rows import one_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

    from labelaudit.embedding.embeddings import Embeddings
    from labelaudit.embedding.visualization import Visualization

Array = npt.NDArray[Any]


class Similarity:
    """An index of samples by similarity. Made by ``Embeddings.similarity()``.

    Names and rules are those of FiftyOne Brain; docs/embeddings.md lists where the numbers differ, and why.

    Args:
        embeddings: the vectors.
        metric: "cosine" (1 - cos, 0 to 2) or "euclidean".
        view: (m,) ids of the samples it answers about; default all.

    Attributes:
        threshold: distance that the last ``find_duplicates`` or ``find_unique`` used, or None.

    Example:
        >>> from labelaudit import Embeddings
        >>> s = Embeddings.from_arrays([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]], ["a", "b", "c"]).similarity()
        >>> s.sort_by_similarity("a", k=2).tolist()
        ['a', 'b']
        >>> s.find_duplicates(threshold=0.05).duplicate_ids.tolist()
        ['b']
    """

    def __init__(self, embeddings: Embeddings, metric: str = "cosine", view: Any = None) -> None:
        one_of("metric", metric, METRICS)
        self.embeddings, self.metric = embeddings, metric
        self._rows = np.arange(len(embeddings)) if view is None else np.unique(embeddings.positions(view))
        self.threshold: float | None = None
        self._kept: Array | None = None

    @classmethod
    def restored(
        cls, embeddings: Embeddings, metric: str, view: Any, threshold: float | None, unique_ids: Any
    ) -> Similarity:
        """Return an index as it was when it was stored.

        Args:
            embeddings: the vectors.
            metric: "cosine" or "euclidean".
            view: ids of its samples; None for all.
            threshold: what the last search used, or None.
            unique_ids: ids that the last search kept; None if there was none.
        """
        found = cls(embeddings, metric, view)
        if unique_ids is not None:
            found._keep(found._ids().isin(unique_ids), threshold)
        return found

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

    def view(self, sample_ids: Any) -> Similarity:
        """Return an index of a subset, which answers with nothing else; queries may be any sample.

        Raises:
            LabelAuditError: a sample has no embedding.
        """
        found = Similarity(self.embeddings, self.metric, sample_ids)
        if "_space" in self.__dict__:
            found.__dict__["_space"] = self._space
        return found

    @overload
    def sort_by_similarity(
        self,
        query: Any,
        k: int | None = ...,
        reverse: bool = ...,
        aggregation: str = ...,
        *,
        return_distances: Literal[False] = ...,
    ) -> Array: ...

    @overload
    def sort_by_similarity(
        self,
        query: Any,
        k: int | None = ...,
        reverse: bool = ...,
        aggregation: str = ...,
        *,
        return_distances: Literal[True],
    ) -> tuple[Array, Array]: ...

    def sort_by_similarity(
        self,
        query: Any,
        k: int | None = None,
        reverse: bool = False,
        aggregation: str = "mean",
        *,
        return_distances: bool = False,
    ) -> Array | tuple[Array, Array]:
        """Return the samples' ids, the most similar to the query first.

        A query that is a sample of the index is among them, at distance 0. Always exact.

        Args:
            query: a sample id, several, or vectors: an array or a list of floating-point numbers, (d,) or (q, d).
            k: how many; default all.
            reverse: the least similar first.
            aggregation: what several queries have in common: "mean" looks for their mean vector; "post-mean",
                "post-min" and "post-max" sort by the mean, least or largest distance from the queries.
            return_distances: also return the distances.

        Returns:
            (k,) ids, or ids and distances.

        Raises:
            LabelAuditError: a sample is not there, or a vector does not fit.
        """
        one_of("aggregation", aggregation, AGGREGATIONS)
        if k is not None and k < 1:
            raise LabelAuditError(f"k={k}; expected the number of samples to return, 1 or more")
        found = distances_to(self.embeddings, self._space, query, aggregation, self._rows)
        order = np.argsort(-found if reverse else found, kind="stable")[:k]
        ids = self.sample_ids[order]
        return (ids, found[order]) if return_distances else ids

    def find_duplicates(self, threshold: float | None = None, fraction: float | None = None) -> Similarity:
        """Find near duplicates. In dataset order, a sample is kept, and later ones too close to it are duplicates.

        Args:
            threshold: largest distance of a duplicate from a sample that is kept.
            fraction: share of the samples to find, 0 to 1: the threshold is sought that comes nearest to it.

        Returns:
            Itself, with ``unique_ids``, ``duplicate_ids``, ``neighbors_map`` and ``threshold``.

        Raises:
            LabelAuditError: not exactly one of the two is given, or it is out of range.
        """
        if (threshold is None) == (fraction is None):
            raise LabelAuditError("pass either threshold= (a distance) or fraction= (a share of the samples)")
        if threshold is not None:
            reach = checked_threshold(threshold)
            return self._keep(keep_apart(self._space, self._rows, reach), reach)
        assert fraction is not None
        if not 0 <= fraction <= 1:
            raise LabelAuditError(f"fraction={fraction} is out of range; expected a share of the samples, 0 to 1")
        return self._keep_number(round((1 - fraction) * len(self)))

    def find_unique(self, n: int) -> Similarity:
        """Choose n samples that are far from each other.

        The threshold is sought at which n samples are kept. Where no threshold keeps exactly n (equal distances), the
        nearest smaller set is filled up with the samples farthest from those kept.

        Args:
            n: how many, at most the number of samples.

        Returns:
            Itself, with ``unique_ids``, ``duplicate_ids`` and ``threshold``.
        """
        if not 0 <= n <= len(self):
            raise LabelAuditError(f"find_unique({n}): there are {len(self):,} samples")
        self._keep_number(n)
        assert self._kept is not None
        self._fill(n)
        return self

    def _keep_number(self, n: int) -> Similarity:
        if n in (0, len(self)):
            return self._keep(np.full(len(self), n > 0), None)
        return self._keep(*keep_number(self._space, self._rows, n))

    def _keep(self, kept: Array | None, threshold: float | None) -> Similarity:
        self._kept, self.threshold = kept, threshold
        self.__dict__.pop("_nearest_kept", None)
        return self

    def _fill(self, n: int) -> None:
        """Keep more samples, each time the one farthest from those kept, or fewer, the last ones."""
        kept = self._found()
        kept[np.flatnonzero(kept)[n:]] = False
        missing = n - int(kept.sum())
        if missing <= 0:
            return
        far = np.zeros(len(self))
        far[~kept] = nearest_of(self._space, self._rows[~kept], self._rows[kept], 1).distances[:, 0]
        for _ in range(missing):
            far[kept] = -1
            one = int(far.argmax())
            kept[one] = True
            vector = self.embeddings.vectors[self._rows[one]]
            far = np.minimum(far, self._space.from_vector(vector, self._rows))

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
        from labelaudit.embedding.views import duplicates_view

        one_of("sort_by", sort_by, ("distance", "count"))
        return duplicates_view(self.embeddings, *self._nearest_kept, sort_by=sort_by, reverse=reverse)

    def unique_view(self) -> pd.DataFrame:
        """Return the samples kept, indexed by sample_id, with label and split where known."""
        from labelaudit.embedding.views import samples_view

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
