"""What samples are called and what is said of them: the same in every batch and every start, or an error."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError
from labelaudit.history import layout
from labelaudit.history.rows import unique_ids
from labelaudit.history.samples import Samples, has_id, is_hashed

Array = npt.NDArray[Any]


class GivenIds:
    """What the user says of the positions of a dataset, and whether samples go by integers or by text.

    Args:
        sample_ids: the user's own id of every position, (n,), or None.
        true_labels: true labels by position, -1 where no mistake was planted, or None.
        splits: whose positions these are.
        n_samples: length of that dataset, where known.

    Raises:
        LabelAuditError: an id comes twice, or there are more or fewer than samples.
    """

    def __init__(
        self,
        sample_ids: Sequence[Any] | None,
        true_labels: Array | None,
        *,
        splits: Iterable[str],
        n_samples: int | None,
    ) -> None:
        self._ids = None if sample_ids is None else unique_ids(sample_ids)
        refuse_other_length(self._ids, n_samples)
        self._true_labels = true_labels
        self._splits = frozenset(splits)
        self._text: dict[str, bool] = {}  # whether a split's ids are text

    def compare(self, known: Mapping[str, Samples], where: str) -> dict[str, Samples]:
        """Compare what is said now with what earlier starts of the history `where` said of the samples they saw.

        Returns:
            Each split's samples where more is said now: to be written with the first new epoch.

        Raises:
            LabelAuditError: an id or a true label is another one than before.
        """
        self._text = {split: is_hashed(samples) for split, samples in known.items() if len(samples)}
        more: dict[str, Samples] = {}
        for split in self._splits & self._text.keys():
            table = known[split]
            if not self._text[split]:
                ids = _by_position(self._ids, table.keys, "sample_ids")
                true = _by_position(self._true_labels, table.keys, "planted")
                told = _told(table, Samples(table.keys, table.labels, ids, true), split, where)
                more |= {} if told is None else {split: told}
        return more

    def check(self, ids: Array, split: str) -> None:
        """Refuse a split that no folder can be named after; text where samples went by integers, and the reverse."""
        layout.check_split(split)
        text = ids.dtype.kind not in "iu"
        if text and split in self._splits and not (self._ids is None and self._true_labels is None):
            option = "planted" if self._ids is None else "sample_ids"
            raise LabelAuditError(
                f"{option}= goes by position in the dataset, and the {split} samples come with ids of their own "
                f"(first: {ids[0]!r}). Record positions, or leave {option}= out"
            )
        if self._text.get(split, text) != text:
            before, now = ("integers", "text") if text else ("text", "integers")
            raise LabelAuditError(
                f"ids of {split} samples were {before} before and are {now} now (first: {ids[0]!r}): a sample keeps "
                "its id. Record the same ids in every epoch, name another folder, or pass overwrite=True"
            )

    def note_kind(self, split: str, *, text: bool) -> None:
        """From now on the split's samples go by text, or by integers."""
        self._text[split] = text

    def complete(self, fresh: Samples, known: Samples | None, split: str, where: str) -> None:
        """Add what is said of samples that are seen for the first time.

        Raises:
            LabelAuditError: less is said of them than of the known ones.
        """
        if split in self._splits and fresh.ids is None:
            fresh.ids = _by_position(self._ids, fresh.keys, "sample_ids")
            fresh.true_labels = _by_position(self._true_labels, fresh.keys, "planted")
        if known is not None and len(known):
            _refuse_untold(known, fresh, split, where)


def _by_position(values: Array | None, keys: Array, option: str) -> Array | None:
    """Return what the user said of the samples at positions ``keys``; true labels may end early (-1)."""
    if values is None:
        return None
    if option == "planted":
        there = (keys >= 0) & (keys < len(values))
        return np.append(values, np.int32(-1))[np.where(there, keys, len(values))]
    if keys.min(initial=0) < 0 or keys.max(initial=0) >= len(values):
        raise LabelAuditError(
            f"{option} has {len(values):,} entries, but sample {keys.max()} was recorded; "
            "it needs one entry per position of the dataset"
        )
    return values[keys]


def refuse_no_positions(known: Samples, length: int | None, split: str, where: str) -> None:
    """Refuse to record positions of a dataset of some length beside samples whose ids were none."""
    if length is None or not len(known) or is_hashed(known):
        return
    beyond = (known.keys < 0) | (known.keys >= length)
    if beyond.any():
        raise LabelAuditError(
            f"{where} has {split} sample {known.keys[beyond][0]}, which is no position in a set of {length:,} samples: "
            "ids came from the batches before, and are positions now. Record the same ids (id_key=), name another "
            "folder, or pass overwrite=True"
        )


def refuse_other_length(sample_ids: Array | None, length: int | None) -> None:
    """Refuse ids that are more or fewer than the positions of the dataset they name."""
    if sample_ids is not None and length is not None and len(sample_ids) != length:
        raise LabelAuditError(
            f"sample_ids has {len(sample_ids):,} entries, the train set has {length:,} samples; it needs one entry per "
            "position of the dataset. For a Subset name its own samples, or, with PredictionRecorder, all of the "
            'dataset under it and pass subset_ids="underlying"'
        )


def _told(known: Samples, now: Samples, split: str, where: str) -> Samples | None:
    """Return known samples with what is said of them now; None when that is nothing new.

    Args:
        known: samples of an earlier start, (n,).
        now: the same samples, as this start names them.
        split: which split.
        where: the history.

    Raises:
        LabelAuditError: an id or a true label is another one than before.
    """
    ids, true = known.ids, known.true_labels
    if now.ids is not None:
        untold = np.ones(len(known), bool) if ids is None else ~has_id(ids)
        if ids is not None:
            _refuse_another(~untold & (ids.astype(object) != now.ids.astype(object)), ids, now.ids, "id", split, where)
        ids = now.ids if untold.any() else ids
    if now.true_labels is not None:
        if true is not None:
            differing = true != now.true_labels
            _refuse_another(differing, true, now.true_labels, "true label", split, where)
        true = now.true_labels
    if ids is known.ids and (true is known.true_labels or known.true_labels is not None):
        return None
    return replace(known, ids=ids, true_labels=true)


def _refuse_another(differing: Array, before: Array, now: Array, what: str, split: str, where: str) -> None:
    if differing.any():
        one = int(differing.argmax())
        option = "sample_ids" if what == "id" else "planted"
        raise LabelAuditError(
            f"{where} has a {split} sample with {what} {before[one]!s}, which now has {now[one]!s} "
            f"({int(differing.sum()):,} samples changed). Pass {option}= as before, name another folder, or pass "
            "overwrite=True"
        )


def _refuse_untold(known: Samples, fresh: Samples, split: str, where: str) -> None:
    """Refuse new samples of which less is said than of the known ones."""
    for option, before, now in (
        ("sample_ids", known.ids, fresh.ids),
        ("planted", known.true_labels, fresh.true_labels),
    ):
        if before is not None and now is None:
            raise LabelAuditError(
                f"{where} was recorded with {option}=, and {len(fresh):,} new {split} samples come without (first: "
                f"sample {fresh.keys[0]}). Pass {option}= as before, name another folder, or pass overwrite=True"
            )
