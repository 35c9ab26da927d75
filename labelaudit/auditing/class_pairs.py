"""How common it is to find a label beside another class: a confusion that is frequent is likelier to be a mistake."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.auditing.reading import Reading

Array = npt.NDArray[Any]

OF_PAIRS = (
    "share_of_other",
    "other_by_matrix",
    "given_for_other",
    "given_for_given",
    "disagreeing_of_pair",
    "disagreeing_of_turned_pair",
    "disagreeing_of_given",
    "wrong_of_given",
    "size_of_given",
    "size_of_other",
)


def class_pairs(read: Reading) -> Array:
    """Return what is known of each sample's given label and best other class, (len(OF_PAIRS), n).

    Of the noise model: the other class's share of the probability of being wrong; whether it names the same class; its
    matrix's entries P(given | other) and P(given | given). Of all samples: how many with that label disagree in favour
    of that class (this one not counted), how many the other way round, how many with that label disagree at all or are
    wrong by the noise model; how large both classes are. Shares and entries are logarithms.
    """
    given, other, matrix = read.labels, read.other, read.model.matrix
    n, n_classes = len(given), len(matrix)
    pair = given.astype(np.int64) * n_classes + other
    disagreeing = read.log_ratio > 0
    size = np.bincount(given, minlength=n_classes)
    of_pair = np.bincount(pair[disagreeing], minlength=n_classes**2).reshape(matrix.shape)
    of_given = [np.bincount(given, each, n_classes) for each in (disagreeing, read.posterior.wrong)]
    each = np.maximum(size, 1)[:, None]
    others_of_pair = np.stack([_log(np.maximum(of_pair - itself, 0) / each) for itself in (0, 1)])
    found = np.empty((len(OF_PAIRS), n), np.float32)
    found[0] = read.posterior.share
    found[1] = read.posterior.other == other
    found[2] = _log(matrix).T.ravel()[pair]
    found[3] = _log(np.diag(matrix))[given]
    found[4] = others_of_pair.ravel()[pair + disagreeing * n_classes**2]
    found[5] = _log(of_pair / each).T.ravel()[pair]
    found[6:8] = [_log(total / each[:, 0])[given] for total in of_given]
    found[8:] = [_log(size * n_classes / n)[one] for one in (given, other)]
    return found


def _log(share: Array) -> Array:
    found: Array = np.log(share + 1e-3).astype(np.float32)
    return found
