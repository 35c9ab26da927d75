"""An index of look-alikes: sorting by similarity, near duplicates, unique samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import numpy.typing as npt

from labelaudit.embedding.duplicates import checked_threshold
from labelaudit.embedding.found import Found
from labelaudit.embedding.neighbours import nearest_of
from labelaudit.embedding.queries import AGGREGATIONS, distances_to
from labelaudit.embedding.thinning import keep, keep_number
from labelaudit.errors import LabelAuditError
from labelaudit.history.rows import one_of
from labelaudit.options import check_share, check_whole

if TYPE_CHECKING:
    from labelaudit.embedding.embeddings import Embeddings

Array = npt.NDArray[Any]


class Similarity(Found):
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
        if k is not None:
            check_whole("k", k, 1)
        found = distances_to(self.embeddings, self._space, query, aggregation, self._rows)
        order = np.argsort(-found if reverse else found, kind="stable")[:k]
        ids = self.sample_ids[order]
        return (ids, found[order]) if return_distances else ids

    def find_duplicates(self, threshold: float | None = None, fraction: float | None = None) -> Similarity:
        """Find near duplicates. In dataset order, a sample is kept, and later ones too close to it are duplicates.

        Args:
            threshold: largest distance of a duplicate from a sample that is kept.
            fraction: share of the samples to find, 0 to 1: the threshold is sought that comes nearest to it. One
                sample is always kept.

        Returns:
            Itself, with ``unique_ids``, ``duplicate_ids``, ``neighbors_map`` and ``threshold``.

        Raises:
            LabelAuditError: not exactly one of the two is given, or it is out of range.
        """
        if (threshold is None) == (fraction is None):
            raise LabelAuditError("pass either threshold= (a distance) or fraction= (a share of the samples)")
        if threshold is not None:
            reach = checked_threshold(threshold)
            return self._keep(keep(self._space, self._rows, reach), reach)
        assert fraction is not None
        check_share("fraction", fraction)
        return self._keep_number(max(round((1 - fraction) * len(self)), min(1, len(self))))

    def find_unique(self, n: int) -> Similarity:
        """Choose n samples that are far from each other.

        The threshold is sought at which n samples are kept. Where no threshold keeps exactly n (equal distances), the
        nearest smaller set is filled up with the samples farthest from those kept.

        Args:
            n: how many, 1 to the number of samples.

        Returns:
            Itself, with ``unique_ids``, ``duplicate_ids`` and ``threshold``.

        Raises:
            LabelAuditError: n is out of range.
        """
        check_whole("n", n)
        if not min(1, len(self)) <= n <= len(self):
            raise LabelAuditError(f"find_unique({n}): there are {len(self):,} samples; expected 1 to that many")
        self._keep_number(n)
        assert self._kept is not None
        self._fill(n)
        return self

    def _keep_number(self, n: int) -> Similarity:
        if n == len(self):
            return self._keep(np.ones(len(self), bool), None)
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
