"""The health of the classes and of their pairs: where the label noise of a history sits."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from labelaudit.analyzers.class_level import class_labels, joint_counts, read_means
from labelaudit.analyzers.cleanlab_filters import find_label_issues
from labelaudit.history.history import History

if TYPE_CHECKING:
    import pandas as pd


def class_health(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.DataFrame:
    """Estimate the label noise of every class, the worst first: **low label_quality is suspicious**.

    Formula, from the calibrated `confident_joint` C, rows the true, columns the given class k:

    - n_samples: how many samples were given the class;
    - label_issues, label_noise: how many of them, and which share, truly are another class: the sum over j != k of
      C[j, k], and that divided by n_samples;
    - inverse_label_issues, inverse_label_noise: how many samples that truly are of the class were given another
      label, and which share of the class that is: the sum over i != k of C[k, i], and that divided by the row's sum;
    - label_quality: 1 - label_noise.

    Source: cleanlab's dataset.rank_classes_by_label_quality, part of its health_summary.

    Returns:
        (K rows) indexed by class; classes without samples have label_noise 0.

    Example:
        >>> from labelaudit import history_from_arrays
        >>> p = [[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.1, 0.9], [0.2, 0.8]]
        >>> class_health(history_from_arrays([p], [0, 0, 1, 1, 1]))[["n_samples", "label_issues", "label_quality"]]
               n_samples  label_issues  label_quality
        class
        1              3           1.0       0.666667
        0              2           0.0       1.000000
    """
    import pandas as pd

    joint = joint_counts(read_means(history, split=split, epochs=epochs, skip_nan=skip_nan), history.n_classes)
    diagonal, of_given, of_true = joint.diagonal(), joint.sum(axis=0), joint.sum(axis=1)
    wrong, missed = of_given - diagonal, of_true - diagonal
    noise = wrong / np.maximum(of_given, 1)
    frame = pd.DataFrame(
        {
            "n_samples": of_given.round().astype(np.int64),
            "label_issues": wrong,
            "label_noise": noise,
            "inverse_label_issues": missed,
            "inverse_label_noise": missed / np.where(of_true > 0, of_true, 1),
            "label_quality": 1 - noise,
        },
        index=pd.Index(class_labels(history), name="class"),
    )
    return frame.sort_values("label_quality", kind="stable")


def class_pair_health(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> pd.DataFrame:
    """Estimate how much every pair of classes overlaps, the worst first: **high is suspicious**.

    Formula, from the calibrated `confident_joint` C, rows the true, columns the given class:

    - a_given_as_b, b_given_as_a: how many samples of the one class were given the other label: C[a, b] and C[b, a];
    - overlap: their sum, and joint_probability: the share of all samples that this is.

    Source: cleanlab's dataset.find_overlapping_classes, part of its health_summary.

    Returns:
        One row for each pair of classes (class_a, class_b) with any overlap.

    Example:
        >>> from labelaudit import history_from_arrays
        >>> p = [[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.1, 0.9], [0.2, 0.8]]
        >>> class_pair_health(history_from_arrays([p], [0, 0, 1, 1, 1]))
           class_a  class_b  overlap  joint_probability  a_given_as_b  b_given_as_a
        0        0        1      1.0                0.2           1.0           0.0
    """
    import pandas as pd

    joint = joint_counts(read_means(history, split=split, epochs=epochs, skip_nan=skip_nan), history.n_classes)
    both = np.triu(joint + joint.T, k=1)
    a, b = np.nonzero(both)
    names = np.array(class_labels(history))
    frame = pd.DataFrame(
        {
            "class_a": names[a],
            "class_b": names[b],
            "overlap": both[a, b],
            "joint_probability": both[a, b] / joint.sum(),
            "a_given_as_b": joint[a, b],
            "b_given_as_a": joint[b, a],
        }
    )
    return frame.sort_values("overlap", ascending=False, kind="stable", ignore_index=True)


def label_health(
    history: History, *, split: str | None = None, epochs: Iterable[int] | None = None, skip_nan: bool = False
) -> float:
    """Estimate the share of right labels: **low is suspicious**.

    Formula: 1 - the share of samples that `find_label_issues` flags by confident_learning.
    Source: cleanlab's dataset.overall_label_health_score, part of its health_summary.

    Returns:
        A number from 0 to 1.

    Example:
        >>> from labelaudit import history_from_arrays
        >>> p = [[0.9, 0.1], [0.8, 0.2], [0.9, 0.1], [0.1, 0.9], [0.2, 0.8]]
        >>> round(label_health(history_from_arrays([p], [0, 0, 1, 1, 1])), 3)
        0.8
    """
    flags = find_label_issues(history, filter_by="confident_learning", split=split, epochs=epochs, skip_nan=skip_nan)
    return 1 - float(flags.mean())
