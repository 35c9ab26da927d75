"""One vector for each sample, with ids, labels and splits."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.embedding.distance import mean_of
from labelaudit.embedding.neighbours import Neighbours
from labelaudit.errors import LabelAuditError
from labelaudit.options import check_whole

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Self

Array = npt.NDArray[Any]


class Vectors:
    """Vectors that are checked already; see `labelaudit.Embeddings` for what the arguments mean."""

    def __init__(
        self,
        vectors: Array,
        sample_ids: Array,
        *,
        labels: Array | None = None,
        splits: Array | None = None,
        class_names: list[str] | None = None,
        inside: Array | None = None,
    ) -> None:
        self.vectors, self.sample_ids = vectors, sample_ids
        self.labels, self.splits, self.class_names, self.inside = labels, splits, class_names, inside
        self.source: dict[str, Any] | None = None
        self._neighbours: dict[str, Neighbours] = {}

    def __len__(self) -> int:
        return len(self.vectors)

    def __repr__(self) -> str:
        of = "regions" if self.inside is not None else "samples"
        return f"Embeddings({len(self):,} {of}, {self.vectors.shape[1]} features)"

    @cached_property
    def index(self) -> pd.Index[Any]:
        """The sample ids, for looking up positions."""
        import pandas as pd

        return pd.Index(self.sample_ids, name="sample_id")

    def positions(self, sample_ids: Any) -> Array:
        """Return the positions of some samples, (m,).

        Raises:
            LabelAuditError: one is not there.
        """
        import pandas as pd

        wanted = pd.Index(np.atleast_1d(np.asarray(sample_ids)))
        found = self.index.get_indexer(wanted)
        if (found < 0).any():
            unknown = wanted.tolist()[int(np.argmax(found < 0))]
            first = f"; the first of {len(self):,} is {self.sample_ids[:1].tolist()[0]!r}" if len(self) else ""
            raise LabelAuditError(f"there is no embedding of sample {unknown!r}{first}")
        return found

    def select(self, sample_ids: Any) -> Self:
        """Return the embeddings of some samples, in the order given."""
        found = self._at(self.positions(sample_ids))
        found.source = self.source
        return found

    def _at(self, rows: Array, vectors: Array | None = None) -> Self:
        return type(self)(
            self.vectors[rows] if vectors is None else vectors,
            self.sample_ids[rows],
            labels=None if self.labels is None else self.labels[rows],
            splits=None if self.splits is None else self.splits[rows],
            class_names=self.class_names,
            inside=None if self.inside is None else self.inside[rows],
        )

    def centred(self) -> Self:
        """Return the vectors less their mean.

        FiftyOne does so before every cosine distance, without saying so. Features that all share a large mean (after
        a ReLU, say) are told apart better; but a distance then depends on which other samples are there.
        """
        mean = mean_of(self.vectors)
        return self._at(np.arange(len(self)), (self.vectors - mean).astype(self.vectors.dtype))

    def names_of(self, labels: Array) -> Array:
        """Return class numbers as names, where the classes have names; -1 becomes None."""
        if self.class_names is None:
            return labels
        return np.array([*self.class_names, None], dtype=object)[labels]

    def neighbors(self, k: int = 10, *, metric: str = "cosine") -> Neighbours:
        """Return the k nearest other samples of every sample, nearest first.

        Exact up to 100,000 samples; beyond, approximate (needs the extra ``labelaudit[ann]``; see
        docs/embeddings.md for what that costs in recall). Kept, so that a second call costs nothing.

        Args:
            k: number of neighbours; where there are fewer other samples, all of them.
            metric: "cosine" (1 - cos, 0 to 2) or "euclidean".

        Returns:
            An object with ``indices`` (n, k), positions in ``sample_ids``; ``distances`` (n, k), double precision; and
            ``recall``, the share of true neighbours found: 1 where the search is exact.
        """
        from labelaudit.embedding.search import search

        check_whole("k", k)
        kept = self._neighbours.get(metric)
        if kept is None or kept.indices.shape[1] < min(k, len(self) - 1):
            kept = self._neighbours[metric] = search(self.vectors, k, metric)
        return kept.first(k)
