"""`audit`: what is asked, of which task, and where the answer is kept."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from labelaudit.auditing.of_labels import audit_labels
from labelaudit.auditing.result import Audit
from labelaudit.auditing.source import history_to_audit
from labelaudit.errors import LabelAuditError
from labelaudit.history import History
from labelaudit.history.folder import Folder, open_folder
from labelaudit.options import check_share, epoch_numbers

if TYPE_CHECKING:
    from labelaudit.embedding import Embeddings

PathLike = str | os.PathLike[str]


def audit(
    history: History | PathLike | Sequence[PathLike | History] | None = None,
    *,
    expected_error_rate: float | None = None,
    threshold: float | None = None,
    analyzers: Sequence[str] | None = None,
    split: str | None = None,
    epochs: Iterable[int] | None = None,
    skip_nan: bool = False,
    progress: bool = False,
    client: Any = None,
    partitions: PathLike | None = None,
    embeddings: Embeddings | None = None,
    key: str | None = None,
    overwrite: bool = False,
    **detection_options: Any,
) -> Audit:
    """Find the likely label errors of a training history.

    Args:
        history: a history, or the path of one, or a list of those (runs on the same samples); of classification or
            of object detection, whose audit also has ``objects`` and ``missing``.
        expected_error_rate: share of wrong labels, 0 to 1, if you know it: that many are flagged.
        threshold: flag every sample with label_quality below it, 0 to 1.
        analyzers: names of further statistics to put into ``samples``, such as "el2n" or "prediction_flips"; the
            functions of `labelaudit.analyzers` have the same names. All that are one number per sample, but for
            centred_loss, loss_cluster and second_half_forgetting, which need more than one pass.
        split: which split to audit; default "train".
        epochs: numbers of the epochs to read; default all.
        skip_nan: leave out predictions that are NaN instead of refusing the history.
        progress: show a progress bar on standard error.
        client: a ``distributed.Client``: the pass over the history runs on that Dask cluster, whose workers must
            reach the history under the same path or URL. The numbers are the same to the last bit.
        partitions: with ``client``: a new folder or URL, where the workers write the whole table as Parquet files
            ``part-00000.parquet``, ... of ranges of samples. ``samples`` then lacks the statistics that neither the
            verdict nor the report needs of every sample: they stay there.
        embeddings: a feature vector of every sample, such as ``history.embeddings()``: the labels of a sample's
            look-alikes then count as a second witness, as far as they prove reliable. ``samples`` gets the columns
            neighbor_agreement (share of the 20 nearest others, nearer ones weighing more, that carry the same label:
            **low is suspicious**) and nearest_conflict (id of the nearest other sample if its label differs).
        key: keep the audit with the history under this name; ``history.runs.load(key)`` gives it back.
        overwrite: replace the run that has this key.
        detection_options: for a history of detections: rules, iou_threshold, missing_confidence and seed, as of
            `audit_detections`.

    Returns:
        An `Audit`: ``samples``, ``issues``, ``summary``, ``noise_matrix``.

    Raises:
        LabelAuditError: the history cannot be read, holds NaN, or all its labels are one class; the key is taken.

    Example:
        >>> from labelaudit import history_from_arrays
        >>> scores = [[[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.9, 0.1]]] * 3
        >>> found = audit(history_from_arrays(scores, [0, 0, 1, 1, 1]))
        >>> int(found.samples["label_quality"].idxmin())
        4
    """
    opened = history_to_audit(history)
    epochs = None if epochs is None else epoch_numbers(epochs)
    _check_options(expected_error_rate, threshold)
    if key is not None:
        opened.runs.check_free(key, overwrite=overwrite)
    cut = {
        "expected_error_rate": None if expected_error_rate is None else float(expected_error_rate),
        "threshold": None if threshold is None else float(threshold),
    }
    if opened.task == "detection":
        of_labels = {"analyzers": analyzers, "client": client, "partitions": partitions, "embeddings": embeddings}
        _refuse_of_classification(opened, skip_nan=skip_nan, **of_labels)
        from labelaudit.detection.from_history import audit_history

        found = audit_history(opened, split=split, epochs=epochs, progress=progress, **cut, **detection_options)
    elif detection_options:
        raise LabelAuditError(f"an audit of classification has no option {next(iter(detection_options))!r}")
    else:
        found = audit_labels(
            opened,
            epochs,
            analyzers or (),
            split,
            skip_nan,
            progress,
            client,
            None if partitions is None else _new_folder(partitions, client),
            embeddings,
            **cut,
        )
    asked = {**cut, "split": split, "skip_nan": skip_nan or None, **detection_options}
    asked |= {"epochs": epochs and sorted(epochs), "embeddings": None if embeddings is None else True}
    found.info["asked"] = {name: _plain(value) for name, value in asked.items() if value is not None}
    if key is not None:
        of = None if embeddings is None else embeddings.source or "given"
        options = {"analyzers": analyzers, "epochs": epochs and sorted(epochs), "skip_nan": skip_nan or None}
        opened.runs.save(key, found, parameters=cut | options | {"embeddings": of}, overwrite=overwrite)
    return found


def _plain(value: Any) -> Any:
    """Return a number of NumPy's as one of Python's, which JSON can hold."""
    return value.item() if isinstance(value, np.generic) else value


def _check_options(expected_error_rate: float | None, threshold: float | None) -> None:
    for name, value in (("expected_error_rate", expected_error_rate), ("threshold", threshold)):
        if value is not None:
            check_share(name, value)
    if expected_error_rate is not None and threshold is not None:
        raise LabelAuditError("expected_error_rate and threshold both set the cut; pass one of them")


def _refuse_of_classification(history: History, **options: Any) -> None:
    for name, value in options.items():
        if value:
            raise LabelAuditError(f"{name}= is about classification, and {history.path} is a history of detections")


def _new_folder(partitions: PathLike, client: Any) -> Folder:
    folder = open_folder(os.path.abspath(partitions) if "://" not in os.fspath(partitions) else partitions)
    if client is None:
        raise LabelAuditError(
            "partitions= is written by the workers of a Dask cluster; pass client= (--dask ADDRESS) with it"
        )
    if folder.names():
        raise LabelAuditError(f"{folder.url} already holds files ({folder.names()[0]}); name a new folder")
    return folder
