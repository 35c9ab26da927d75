"""Approximate nearest neighbours for data sets beyond 100,000 samples, with faiss.

An inverted file: k-means splits the vectors into cells, and a sample's neighbours are searched in the cells nearest to
it. In how many, is settled on the data themselves: the exact neighbours of some samples are computed, and the number of
cells is doubled until the search finds enough of them. What share it finds is part of the answer. Where that takes so
many cells that comparing everything with everything is no slower, that is done, and the answer is exact.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.embedding.distance import Space
from labelaudit.embedding.neighbours import Neighbours, among_different, nearest_of, without_twins
from labelaudit.errors import LabelAuditError

Array = npt.NDArray[Any]

RECALL = 0.95  # share of the true neighbours to find, on the samples it is tried on
TRIED = 500  # samples
FIRST_CELLS = 8
SLOWER = 8  # times as long as in matrix products takes the same comparison in the cells
CELLS = 4  # times the square root of the number of samples
TRAINED_ON = 64  # samples a cell
CHUNK = 16_384  # samples searched at a time


def nearly_nearest(
    vectors: Array, k: int, metric: str, recall: float = RECALL, seconds: dict[str, float] | None = None
) -> Neighbours:
    """Return k near neighbours of every sample among the others; deterministic.

    Args:
        vectors: (n, d), finite.
        k: number of neighbours.
        metric: "cosine" or "euclidean".
        recall: share of the true neighbours to find.
        seconds: takes how long it was to "build" the index, to "settle" how many cells to search, and to "query".

    Returns:
        Neighbours with accurate distances, and the recall that was measured on 500 samples.

    Raises:
        LabelAuditError: faiss is not installed.
    """
    faiss = _faiss(len(vectors))
    return without_twins(vectors, k, metric, lambda space, few: _search(faiss, space, few, recall, seconds))


def _faiss(n: int) -> Any:
    try:
        import faiss
    except ModuleNotFoundError:
        raise LabelAuditError(
            f"neighbours among {n:,} samples (more than 100,000) are searched with faiss. "
            'Type: pip install "labelaudit[ann]", or select fewer samples'
        ) from None
    return faiss


def _search(faiss: Any, space: Space, k: int, recall: float, seconds: dict[str, float] | None) -> Neighbours:
    """Search among vectors no two of which are equal."""
    n, d = space.fast.shape
    times = [time.perf_counter()]
    cells = max(round(CELLS * n**0.5), 1)
    rng = np.random.default_rng(0)
    sample = np.sort(rng.choice(n, min(n, TRAINED_ON * cells), replace=False))
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(d), d, cells)
    index.cp.seed, index.cp.niter = 1234, 10
    index.train(space.fast[sample])
    index.add(space.fast)
    times.append(time.perf_counter())
    tried = np.sort(rng.choice(n, min(TRIED, n), replace=False))
    truth = true_neighbours(space, tried, k)
    index.nprobe, found = FIRST_CELLS, 0.0
    while True:
        got = _candidates(index, space, tried, k)[0]
        found = float((got[:, :, None] == truth[:, None, :]).any(axis=1).mean())
        if found >= recall or SLOWER * index.nprobe >= cells:
            break
        index.nprobe *= 2
    times.append(time.perf_counter())
    if SLOWER * index.nprobe >= cells:  # the vectors lie in no groups: comparing them all is no slower
        exact = among_different(space, k)
        if seconds is not None:
            seconds.update(
                zip(("build", "settle", "query"), np.diff([*times, time.perf_counter()]).tolist(), strict=True)
            )
        return exact
    indices, distances = np.empty((n, k), np.int64), np.empty((n, k))
    for low in range(0, n, CHUNK):
        rows = np.arange(low, min(low + CHUNK, n))
        indices[rows], distances[rows] = _candidates(index, space, rows, k)
    times.append(time.perf_counter())
    if seconds is not None:
        seconds.update(zip(("build", "settle", "query"), np.diff(times).tolist(), strict=True))
    return Neighbours(indices, distances, found)


def _candidates(index: Any, space: Space, rows: Array, k: int) -> tuple[Array, Array]:
    """Return the k nearest others that the index finds, (m, k), with accurate distances, nearest first."""
    _, others = index.search(space.fast[rows], k + 1 + max(2, k // 4))
    known = others >= 0
    exact = np.full(others.shape, np.inf)
    of = np.repeat(rows[:, None], others.shape[1], axis=1)
    exact[known] = space.pairs(of[known], others[known])
    exact[others == rows[:, None]] = np.inf
    order = np.lexsort((others, exact), axis=1)[:, :k]
    return np.take_along_axis(others, order, axis=1), np.take_along_axis(exact, order, axis=1)


def true_neighbours(space: Space, rows: Array, k: int) -> Array:
    """Return the exact k nearest others of some rows, (m, k)."""
    everything = np.arange(len(space))
    found = nearest_of(space, rows, everything, k + 1).indices
    own = found == rows[:, None]
    own[~own.any(axis=1), -1] = True
    return found[~own].reshape(len(rows), k)
