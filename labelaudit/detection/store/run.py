"""One recorded training run of a detector."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.detection.store import images
from labelaudit.detection.store.batches import PROBABILITIES
from labelaudit.detection.store.images import Images
from labelaudit.detection.store.ragged import Ragged, from_table, joined
from labelaudit.detection.store.rows import DRAWN, FinishedDetections
from labelaudit.errors import LabelAuditError
from labelaudit.history.epoch_rows import EpochRows
from labelaudit.history.part import EpochPart
from labelaudit.history.runs import StoredRun
from labelaudit.history.samples import find, named, numbers

Array = npt.NDArray[Any]


class DetectionRun(StoredRun):
    """A run whose epochs hold boxes."""

    def samples(self, split: str) -> Images:
        """Return the images, sorted by position or integer id; string ids as first seen."""
        found = self._samples.get(split)
        if not isinstance(found, Images):
            found = named(images.read(self.folder, split))
            self._refuse_no_samples(split, len(found))
            if found.ids is None or self.manifest.keys != "id":
                found = found.take(np.argsort(found.keys, kind="stable"))
            self._samples[split] = found
        return found

    def open_epoch(self, split: str, epoch: int) -> EpochPart:
        """Refuse: boxes are no scores."""
        raise LabelAuditError(f"{self.url} holds detections, not scores of classes: read them with drawn()")

    def drawn(self, split: str, epoch: int) -> tuple[Array, Ragged]:
        """Return what was drawn in an epoch; of an image in several writers' files the first counts.

        Returns:
            (m,) ascending rows of the samples table, and as many rows of boxes, scores and labels.
        """
        tables = self.tables(split, epoch)
        seen = np.concatenate([_keys(table) for table in tables])
        present, rows = find(self.samples(split).keys, seen)
        if not present.all():
            raise self._unnamed(split, epoch)
        drawn = joined([from_table(table, (*DRAWN, PROBABILITIES)) for table in tables])
        ascending, first = np.unique(rows, return_index=True)
        if np.array_equal(first, np.arange(len(rows))):
            return ascending, drawn
        return ascending, drawn.take(first)

    def n_rows(self, split: str, epoch: int) -> int:
        """Return how many images an epoch saw, once its files are found to be whole."""
        return len(self.drawn(split, epoch)[0])

    def epoch_rows(self, split: str, epoch: int, presented: int) -> EpochRows:
        """Return an epoch's rows as they would be written to one file."""
        rows, drawn = self.drawn(split, epoch)
        table = self.samples(split)
        order = np.argsort(table.keys[rows], kind="stable")
        return FinishedDetections(table.take(rows[order]), drawn.take(order), presented, order)


def _keys(table: Any) -> Array:
    return numbers(table["sample"]) if "sample" in table.column_names else np.arange(table.num_rows)
