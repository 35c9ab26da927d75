"""Which classes are confused: the confident joint, the noise matrix, the health of classes and of pairs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import accumulate
from labelaudit.analyzers.consensus import Consensus
from labelaudit.analyzers.mean_scores import MeanScores, chunks
from labelaudit.history.history import History

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
CLOSE = 1e-6  # a probability this little below its threshold reaches it


def read_means(history: History, *, split: str | None, epochs: Iterable[int] | None, skip_nan: bool) -> MeanScores:
    """Stream a history once and return its mean probabilities."""
    (state,) = accumulate(history, [Consensus], split=split, epochs=epochs, skip_nan=skip_nan)
    assert isinstance(state, Consensus)
    return state.means


def confident_classes(mean: MeanScores, n_classes: int) -> Array:
    """Return the class that each sample confidently belongs to, (n,); -1 where there is none.

    A sample belongs confidently to the classes k with p[k] >= threshold_k, the mean of p[k] over the samples
    given k; of several to the likeliest of all classes, as in cleanlab.
    """
    n, seen = len(mean.seen), mean.seen > 0
    labels, given = mean.labels[seen], mean.summary().given[seen]
    count = np.bincount(labels, minlength=n_classes)
    total = np.bincount(labels, given, minlength=n_classes)
    thresholds = np.where(count > 0, np.maximum(total / np.maximum(count, 1), 2 * CLOSE), 2.0)[:, None]
    found = np.full(n, -1, np.int32)
    for here in chunks(n, n_classes):
        p = mean.of(here)
        confident = p >= thresholds - CLOSE
        number = confident.sum(axis=0)
        found[here] = np.where(number == 0, -1, np.where(number > 1, p.argmax(axis=0), confident.argmax(axis=0)))
    return found


def joint_counts(mean: MeanScores, n_classes: int, *, calibrate: bool = True) -> Array:
    """Return (K, K) estimated numbers of samples, rows the true, columns the given class; see `confident_joint`."""
    true, given = confident_classes(mean, n_classes), mean.labels
    counted = true >= 0
    cells = true[counted].astype(np.int64) * n_classes + given[counted]
    counts = np.bincount(cells, minlength=n_classes**2).reshape(n_classes, n_classes)
    np.fill_diagonal(counts, np.maximum(counts.diagonal(), 1))
    if not calibrate:
        return counts
    of_given = np.bincount(given[mean.seen > 0], minlength=n_classes)
    return counts / counts.sum(axis=0) * of_given


def confident_joint(
    history: History,
    *,
    calibrate: bool = True,
    split: str | None = None,
    epochs: Iterable[int] | None = None,
    skip_nan: bool = False,
) -> pd.DataFrame:
    """Estimate how many samples of each true class were given each label: **high off the diagonal is suspicious**.

    Formula: with p the probabilities averaged over the epochs and threshold_k the mean of p[k] over the samples given
    k, a sample given i counts as truly j where p[j] >= threshold_j (of several such classes the likeliest), and not at
    all where no class reaches its threshold. Each class counts itself at least once. Calibrated, every given class is
    scaled to the number of its samples. A classifier that has memorised its labels confirms them: read early epochs.
    Source: Northcutt et al., Confident Learning, JAIR 2021, as in cleanlab, whose matrix is the transpose of this one.

    Args:
        history: a history of n samples.
        calibrate: whether to scale to the numbers of given labels; else integers, the counts.
        split: which split; default "train".
        epochs: numbers of the epochs to read; default all.
        skip_nan: leave out predictions whose scores are NaN.

    Returns:
        (K, K) numbers of samples, rows true_label, columns given_label.

    Example:
        >>> from labelaudit import history_from_arrays
        >>> p = [[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.1, 0.9], [0.2, 0.8]]
        >>> confident_joint(history_from_arrays([p], [0, 0, 1, 1, 1]), calibrate=False)
        given_label  0  1
        true_label
        0            1  1
        1            0  2
    """
    mean = read_means(history, split=split, epochs=epochs, skip_nan=skip_nan)
    return matrix_frame(history, joint_counts(mean, history.n_classes, calibrate=calibrate))


def noise_matrix(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.DataFrame:
    """Estimate P(given | true) from the confident joint: **high off the diagonal is suspicious**.

    Formula: joint[j, i] / sum_i joint[j, i]; a class that no sample truly seems to be keeps its own label.
    Source: Northcutt et al., Confident Learning, JAIR 2021; cleanlab's noise_matrix is the transpose.

    Returns:
        (K, K) probabilities, rows true_label, columns given_label; rows sum to 1.

    Example:
        >>> from labelaudit import history_from_arrays
        >>> p = [[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.1, 0.9], [0.2, 0.8]]
        >>> noise_matrix(history_from_arrays([p], [0, 0, 1, 1, 1])).round(3)
        given_label    0    1
        true_label
        0            0.667  0.333
        1            0.000  1.000
    """
    mean = read_means(history, split=split, epochs=epochs, skip_nan=skip_nan)
    joint = joint_counts(mean, history.n_classes)
    of_true = joint.sum(axis=1, keepdims=True)
    share = np.where(of_true > 0, joint / np.where(of_true > 0, of_true, 1), np.eye(history.n_classes))
    return matrix_frame(history, share)


def matrix_frame(history: History, matrix: Array) -> pd.DataFrame:
    """Return a (K, K) matrix with the classes' names, rows true, columns given."""
    import pandas as pd

    names = class_labels(history)
    return pd.DataFrame(matrix, pd.Index(names, name="true_label"), pd.Index(names, name="given_label"))


def class_labels(history: History) -> list[Any]:
    """Return the names of the classes, else their numbers."""
    return list(range(history.n_classes)) if history.class_names is None else list(history.class_names)
