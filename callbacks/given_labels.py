"""The labels that a dataset itself gives its samples, where they can be read without fetching a sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import TensorDataset

from labelaudit.errors import LabelAuditError

Labels = NDArray[np.integer[Any]]


def given_labels(dataset: Any) -> Labels | None:
    """All labels of a dataset, (n,): its `targets` or `labels` (torchvision, timm), a TensorDataset's second tensor.

    None where there is no such thing, or a `target_transform` changes it.
    """
    if getattr(dataset, "target_transform", None) is not None or not hasattr(dataset, "__len__"):
        return None
    if isinstance(dataset, TensorDataset):
        found = dataset.tensors[1] if len(dataset.tensors) == 2 else None
    else:
        found = getattr(dataset, "targets", None)
        found = getattr(dataset, "labels", None) if found is None else found
    try:
        array = np.asarray(found)
    except (TypeError, ValueError, RuntimeError):  # ragged, or on a device
        return None
    return array if array.dtype.kind in "iu" and array.shape == (len(dataset),) else None


def check_labels(recorded: Labels, given: Labels, ids: NDArray[Any]) -> None:
    """Refuse labels of a batch that are not the dataset's own.

    A step may rename or join classes; it may not give two samples of one class different labels.

    Args:
        recorded: (n,) what the step was found to use.
        given: (n,) the dataset's own labels of the same samples.
        ids: (n,) their positions.

    Raises:
        LabelAuditError: the labels were mixed or shuffled.
    """
    _, first, of_class = np.unique(given, return_index=True, return_inverse=True)
    other = recorded != recorded[first][of_class]
    if other.any():
        row = int(other.argmax())
        twin = int(first[of_class[row]])
        raise LabelAuditError(
            f"the labels of the step are not the dataset's: samples {ids[twin]} and {ids[row]} are both of class"
            f" {given[row]} there, and of {recorded[twin]} and {recorded[row]} here. Mixup and CutMix change labels;"
            " pass where the batch holds the given ones, labels='key' or labels=lambda outputs, batch: batch[1]"
        )
