"""Crops of a batch of images by boxes, for the features of objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from labelaudit.errors import LabelAuditError

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[Any]
COLUMNS = ("image_id", "x", "y", "w", "h")


class Boxes:
    """Boxes of images, and the order in which their crops went by.

    Args:
        frame: columns image_id, x, y, w, h in pixels and, if there is one, category; the index holds the boxes' ids.

    Raises:
        LabelAuditError: a column is missing, or a box has no area.
    """

    def __init__(self, frame: pd.DataFrame) -> None:
        missing = [name for name in COLUMNS if name not in frame.columns]
        if missing:
            raise LabelAuditError(f"patches lacks the column {missing[0]!r}; expected {', '.join(COLUMNS)}")
        if not len(frame):
            raise LabelAuditError("patches has no rows; expected one for each box")
        self.frame = frame
        self.ids = frame.index.tolist()
        self.corners = frame[["x", "y", "w", "h"]].to_numpy(np.float64)
        bad = np.flatnonzero(~np.isfinite(self.corners).all(axis=1) | (self.corners[:, 2:] <= 0).any(axis=1))
        if len(bad):
            raise LabelAuditError(f"box {self.ids[bad[0]]!r} has no area: {self.corners[bad[0]].tolist()} (x, y, w, h)")
        self._rows_of = frame.groupby("image_id", sort=False).indices
        self._order: list[int] = []

    def crops(self, images: Any, position: int, ids: Array | None) -> Iterator[Tensor]:
        """Yield the crops of a batch of images, resized to the images' size, in batches of at most as many.

        Args:
            images: (b, channels, height, width).
            position: of the first image in the data set.
            ids: (b,) ids of the images; default their positions.
        """
        if not isinstance(images, Tensor) or images.ndim != 4:
            raise LabelAuditError("patches= crops images: expected batches of shape (batch, channels, height, width)")
        size = images.shape[2:]
        waiting: list[Tensor] = []
        for number in range(len(images)):
            name = position + number if ids is None else ids[number]
            for row in self._rows_of.get(name, ()):
                crop = self._crop(images[number], row)
                waiting.append(F.interpolate(crop[None], size=size, mode="bilinear", align_corners=False)[0])
                self._order.append(int(row))
                if len(waiting) == len(images):
                    yield torch.stack(waiting)
                    waiting = []
        if waiting:
            yield torch.stack(waiting)

    def _crop(self, image: Tensor, row: int) -> Tensor:
        x, y, w, h = self.corners[row]
        height, width = image.shape[1:]
        left, right = max(int(np.floor(x)), 0), min(int(np.ceil(x + w)), width)
        top, bottom = max(int(np.floor(y)), 0), min(int(np.ceil(y + h)), height)
        if left >= right or top >= bottom:
            raise LabelAuditError(
                f"box {self.ids[row]!r} ({x:g}, {y:g}, {w:g}, {h:g}) lies outside its image, {width} x {height}"
            )
        return image[:, top:bottom, left:right]

    def table(self, vectors: list[Array]) -> dict[str, Any]:
        """Return the features of all boxes as `labelaudit.Embeddings.from_arrays` takes them, in the frame's order.

        Raises:
            LabelAuditError: an image of a box never came.
        """
        lost = np.setdiff1d(np.arange(len(self.frame)), self._order)
        if len(lost):
            name = self.frame["image_id"].tolist()[lost[0]]
            raise LabelAuditError(f"box {self.ids[lost[0]]!r}: the dataloader gave no image {name!r}")
        order = np.argsort(self._order)
        found = {
            "X": np.concatenate(vectors)[order],
            "sample_ids": self.frame.index.to_numpy(),
            "inside": self.frame["image_id"].to_numpy(),
        }
        if "category" in self.frame.columns:
            found["labels"] = self.frame["category"].to_numpy()
        return found
