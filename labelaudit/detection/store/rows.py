"""Detections on their way to an epoch file: collected, then one row per image."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelaudit.detection.store.batches import PROBABILITIES
from labelaudit.detection.store.images import Images, from_file, image_rows
from labelaudit.detection.store.ragged import Ragged, from_table, joined
from labelaudit.history.samples import as_id_array, keys_of

Array = npt.NDArray[Any]
DRAWN = ("boxes", "scores", "labels")


@dataclass
class FinishedDetections:
    """An epoch's rows, one per image, sorted by key.

    Attributes:
        samples: the images with their ground truth.
        drawn: what the detector drew on each of them: boxes, scores, labels.
        presented: number of rows before images that came twice were counted once.
        arrival: (n,) place at which each image first came.
    """

    samples: Images
    drawn: Ragged
    presented: int
    arrival: Array

    @property
    def dense(self) -> bool:
        """Whether the rows are exactly the keys 0 to n - 1, so that the key column can be left out."""
        keys = self.samples.keys
        return bool(keys[0] == 0 and keys[-1] == len(keys) - 1)

    def arrow_columns(self) -> dict[str, pa.Array]:
        """Return the columns of the epoch file."""
        keys = {} if self.dense else {"sample": pa.array(self.samples.keys)}
        return keys | self.drawn.arrow()

    def value_columns(self) -> dict[str, pa.Array]:
        """Return what was drawn, without the keys; named apart from the ground truth."""
        return {f"drawn_{name}": column for name, column in self.drawn.arrow().items()}


@dataclass
class OpenDetections:
    """Batches of one split that wait for the end of their epoch, in the order in which they came."""

    images: list[Images] = field(default_factory=list)
    drawn: list[Ragged] = field(default_factory=list)
    presented_before: int = 0  # presentations that a saved part has joined with later ones of the same image

    def add(self, ids: Array, drawn: Ragged, truth: Ragged, size: Array) -> None:
        """Take a checked batch of n images."""
        keys, hashed = keys_of(ids)
        self.images.append(image_rows(keys, as_id_array(ids.tolist()) if hashed else None, truth, size))
        self.drawn.append(drawn)

    def finished(self) -> FinishedDetections:
        """Return one row per image; of several presentations the last counts."""
        keys = np.concatenate([part.keys for part in self.images])
        order = np.argsort(keys, kind="stable")
        changes = keys[order][1:] != keys[order][:-1]
        arrival = order[np.append(True, changes)]
        last = order[np.append(changes, True)]
        hashed = [part.ids for part in self.images if part.ids is not None]
        ids = np.concatenate(hashed)[last] if hashed else None
        size = np.concatenate([part.size for part in self.images])[last]
        truth = joined([part.truth for part in self.images]).take(last)
        return FinishedDetections(
            image_rows(keys[last], ids, truth, size),
            joined(self.drawn).take(last),
            len(keys) + self.presented_before,
            arrival,
        )


def waiting_rows(part: pa.Table, presented: int) -> OpenDetections:
    """Return the rows of a saved part, which stand for ``presented`` presentations."""
    images = from_file(part)
    drawn = from_table(part, [f"drawn_{name}" for name in (*DRAWN, PROBABILITIES)])
    columns = {name.removeprefix("drawn_"): column for name, column in drawn.columns.items()}
    return OpenDetections([images], [Ragged(drawn.counts, columns)], presented - len(images))
