"""Annotated boxes as every reader gives them: one frame, and what the format says of images and classes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class BoxTable:
    """Boxes of one source.

    Attributes:
        frame: image_id, category, x, y, w, h (pixels; upper left corner and size); score, epoch, is_crowd and
            probabilities where the source has them. One row per box, in the source's order.
        source: what to call it in an error: a path, or "ground_truth".
        image_ids: all images, those without boxes too, or None where the source doesn't list them.
        image_sizes: {image id: (width, height)}.
        category_names: {number: name} where categories are numbers with names, else None.
        pictures: {image id: name of the picture's file}, folders included, where the source says it.
        files: {image id: name of its file of labels} of a folder of YOLO or Pascal VOC files.
        format: "frame", "coco", "yolo" or "voc".
    """

    frame: pd.DataFrame
    source: str
    image_ids: list[Any] | None = None
    image_sizes: dict[Any, tuple[float, float]] = field(default_factory=dict)
    category_names: dict[int, str] | None = None
    format: str = "frame"
    pictures: dict[Any, str] = field(default_factory=dict)
    files: dict[Any, str] = field(default_factory=dict)
