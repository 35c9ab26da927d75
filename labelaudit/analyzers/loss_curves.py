"""Loss curves: every sample's losses, averaged in a fixed number of windows of the training, and their clusters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import Accumulator, accumulate, epochs_of_runs, known_epochs, mean_of, sample_ids
from labelaudit.history.blocks import Block
from labelaudit.history.history import History
from labelaudit.options import check_whole

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
FITTED = 20_000  # curves that the clusters of a class are fitted to


class LossCurves(Accumulator):
    """Mean loss in every window. 12 bytes a sample and window.

    Args:
        n_samples: number of samples.
        n_classes: number of classes.
        window_of: number of the window, from 0, by run and epoch.
    """

    def __init__(self, n_samples: int, n_classes: int, *, window_of: Mapping[tuple[int, int], int]) -> None:
        self.window_of = window_of
        super().__init__(n_samples, n_classes)

    def start(self) -> None:
        """Make the arrays, (windows, n)."""
        windows = max(self.window_of.values()) + 1
        self.total = np.zeros((windows, self.n))
        self.seen = np.zeros((windows, self.n), np.int32)

    def update(self, block: Block) -> None:
        """Add an epoch's block."""
        window = self.window_of[block.run, block.epoch]
        self.total[window, block.rows] += block.frame.loss
        self.seen[window, block.rows] += 1

    def result(self) -> dict[str, Array]:
        """Return one column a window, ``loss_0``, ``loss_1``, ..."""
        return {f"loss_{window}": mean_of(self.total[window], self.seen[window]) for window in range(len(self.total))}


def loss_curves(
    history: History,
    *,
    windows: int = 8,
    split: str | None = None,
    epochs: Iterable[int] | None = None,
    skip_nan: bool = False,
) -> pd.DataFrame:
    """Return every sample's mean loss in each window of the training: **high is suspicious**, late most of all.

    Formula: the E epochs of a run fall into windows of equal length (of 8 windows, epoch number t, counted from 0, is
    in window 8 t // E); the entry is the mean of -ln p_t[y], in nats, over a window's epochs that saw the sample.
    Source: the input of Yue and Jha, CTRL: Clustering Training Losses for Label Error Detection, 2022, pooled so that
    memory does not grow with the epochs.

    Args:
        history: a history of n samples.
        windows: how many; at most as many as there are epochs in the longest run.
        split: which split; default "train".
        epochs: numbers of the epochs to read; default all.
        skip_nan: leave out predictions whose scores are NaN.

    Returns:
        (n, windows) numbers >= 0, indexed by sample_id; NaN where no epoch of the window saw the sample.

    Raises:
        LabelAuditError: windows is no whole number from 1 up.

    Example:
        >>> from labelaudit.analyzers import worked_example
        >>> loss_curves(worked_example(), windows=2).round(6).to_numpy().tolist()
        [[1.168853, 0.366985]]
    """
    import pandas as pd

    check_whole("windows", windows, least=1)
    wanted = None if epochs is None else known_epochs(history, split, epochs)
    runs = [[e for e in of_run if wanted is None or e in wanted] for of_run in epochs_of_runs(history, split)]
    number = max(min(windows, max(map(len, runs))), 1)
    window_of = {(run, e): number * t // len(of_run) for run, of_run in enumerate(runs) for t, e in enumerate(of_run)}
    kind = partial(LossCurves, window_of=window_of or {(0, 0): 0})
    (state,) = accumulate(history, [kind], split=split, epochs=wanted, skip_nan=skip_nan)
    return pd.DataFrame(state.result(), index=pd.Index(sample_ids(history, split), name="sample_id"))


def loss_cluster(
    history: History,
    *,
    clusters: int = 2,
    windows: int = 8,
    seed: int = 0,
    split: str | None = None,
    epochs: Iterable[int] | None = None,
    skip_nan: bool = False,
) -> pd.Series[Any]:
    """Return the cluster of a sample's loss curve among those given the same label: **the highest is suspicious**.

    Formula: k-means on the rows of `loss_curves`, for every given label by itself, fitted to at most 20,000 of its
    curves; clusters are numbered by their mean loss, from 0. A window that did not see the sample takes the loss of
    the window before it, else of the one after it. k-means finds groups in clean data too: the cluster separates, it
    does not say that there is an error. A label with fewer different curves than clusters is not split.
    Source: after Yue and Jha, CTRL: Clustering Training Losses for Label Error Detection, 2022, who let several window
    sizes vote on whole curves.

    Args:
        history: a history of n samples.
        clusters: how many per label, 2 or more.
        windows: see `loss_curves`.
        seed: of k-means.
        split: which split; default "train".
        epochs: numbers of the epochs to read; default all.
        skip_nan: leave out predictions whose scores are NaN.

    Returns:
        (n,) Int64, 0 to clusters - 1, indexed by sample_id; <NA> where no epoch saw the sample.

    Raises:
        LabelAuditError: clusters is no whole number from 2 up, windows none from 1 up, or seed none from 0 up.

    Example:
        >>> from labelaudit import history_from_arrays
        >>> p = [[[0.6, 0.4], [0.7, 0.3], [0.2, 0.8]], [[0.9, 0.1], [0.9, 0.1], [0.3, 0.7]]]
        >>> loss_cluster(history_from_arrays(p, [0, 0, 0])).tolist()
        [0, 0, 1]
    """
    import pandas as pd

    check_whole("clusters", clusters, least=2)
    check_whole("seed", seed)
    table = loss_curves(history, windows=windows, split=split, epochs=epochs, skip_nan=skip_nan)
    curves = table.ffill(axis=1).bfill(axis=1).to_numpy()
    seen = ~np.isnan(curves).any(axis=1)
    labels = history.table(split).labels
    found = np.full(len(curves), -1)
    for label in np.unique(labels):
        rows = np.flatnonzero((labels == label) & seen)
        found[rows] = _clustered(curves[rows], clusters, seed)
    return pd.Series(pd.arrays.IntegerArray(found.astype(np.int64), found < 0), index=table.index, name="loss_cluster")


def _clustered(curves: Array, clusters: int, seed: int) -> Array:
    """Return the cluster of each of (m, windows) curves, numbered by mean loss."""
    from sklearn.cluster import KMeans

    step = -(-len(curves) // FITTED) or 1
    fitted = curves[np.lexsort(curves.T)][::step]  # the samples' order would lead to other local optima
    if len(np.unique(fitted, axis=0)) < clusters:
        return np.zeros(len(curves), int)
    model = KMeans(clusters, n_init=5, random_state=seed).fit(fitted)
    rank = np.argsort(np.argsort(model.cluster_centers_.mean(axis=1)))
    return rank[model.predict(curves)]
