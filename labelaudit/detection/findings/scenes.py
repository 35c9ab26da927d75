"""Pieces of pictures around boxes, and where the boxes lie in them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.detection.exporting.pictures import names_for
from labelaudit.detection.exporting.sizes import recorded_sizes
from labelaudit.detection.findings.issues import Issues, boxes
from labelaudit.report.media import Media
from labelaudit.report.thumbnails import eight_bit, opened, value_range

Array = npt.NDArray[Any]
MARGIN = 0.4  # of the larger side of what is shown, on each side
LEAST = 24.0  # pixels of margin
OTHERS = 20  # other given boxes that are drawn in one piece
KEPT = 4  # decoded pictures


class Scenes:
    """The pieces of pictures that a list of findings shows.

    Args:
        found: the detection audit.
        issues: its findings.
        images: pictures by image id: a list, array, mapping or function, as in `Audit.to_html`; or a folder, where they
            go by their file's name if the annotations have it; or None.
    """

    def __init__(self, found: Any, issues: Issues, images: Any) -> None:
        self._issues = issues
        self._at = {one: position for position, one in enumerate(found.samples.index.tolist())}
        self._media = Media(names_for(found, images).to_numpy(), images)
        self._range = None if images is None else value_range(images)
        self._sizes = recorded_sizes(found)
        self._image = np.array([self._at[one] for one in issues.image.tolist()], np.int64)
        self._given = boxes(found.objects)
        self._given_image = np.array([self._at[one] for one in found.objects["image_id"].tolist()], np.int64)
        self._order = np.argsort(self._given_image, kind="stable")
        self._sorted = self._given_image[self._order]
        self._picture = lru_cache(KEPT)(self._opened)

    @property
    def has_images(self) -> bool:
        """Whether there are pictures."""
        return self._media.images is not None

    def piece(self, position: int) -> Any:
        """Return the piece of the picture around a finding, as a PIL image; None where there is none."""
        picture = self._picture(int(self._image[position]))
        if picture is None:
            return None
        x, y, width, height = self._frame(position)
        across, down = self._stretch(int(self._image[position]), picture)
        edges = (x * across, y * down, (x + width) * across, (y + height) * down)
        left, top, right, bottom = (round(edge) for edge in edges)
        return picture.crop((left, top, max(right, left + 1), max(bottom, top + 1)))

    def overlay(self, position: int) -> dict[str, Any]:
        """Return where boxes lie in the piece: width and height of it; given, suggested and others, from its corner."""
        x, y, width, height = self._frame(position)

        def within(box: Array) -> list[float] | None:
            if np.isnan(box[0]):
                return None
            return np.round([box[0] - x, box[1] - y, box[2], box[3]], 2).tolist()

        low, high = np.searchsorted(self._sorted, [self._image[position], self._image[position] + 1])
        rows = self._order[low:high]
        own = self._issues.row[position] if self._issues.kind[position] != "missing" else -1
        near = [row for row in rows.tolist() if row != own and _meet(self._given[row], (x, y, width, height))]
        return {
            "width": round(width, 2),
            "height": round(height, 2),
            "given": within(self._issues.given[position]),
            "suggested": within(self._issues.suggested[position]),
            "others": [within(self._given[row]) for row in near[:OTHERS]],
        }

    def _frame(self, position: int) -> tuple[float, float, float, float]:
        """Return x, y, width and height of the piece around a finding, in the boxes' pixels."""
        both = np.stack([self._issues.given[position], self._issues.suggested[position]])
        both = both[~np.isnan(both[:, 0])]
        low, high = both[:, :2].min(axis=0), (both[:, :2] + both[:, 2:]).max(axis=0)
        margin = max(MARGIN * float((high - low).max()), LEAST)
        image = int(self._image[position])
        size = self._sizes[image]
        if np.isnan(size).any() and self.has_images:
            size = self._size_of_picture(image)
        low = np.maximum(low - margin, np.minimum(low, 0))  # what lies outside the picture is shown as well
        high = high + margin if np.isnan(size).any() else np.minimum(high + margin, np.maximum(high, size))
        width, height = np.maximum(high - low, 1.0).tolist()
        return float(low[0]), float(low[1]), width, height

    def _size_of_picture(self, image: int) -> Array:
        try:
            picture = self._picture(image)
        except (OSError, ValueError, TypeError, SyntaxError, Warning):  # Pillow's, for damaged files; said by piece()
            picture = None
        return np.full(2, np.nan) if picture is None else np.array(picture.size, np.float64)

    def _stretch(self, image: int, picture: Any) -> tuple[float, float]:
        """Return how many of the picture's pixels one of the boxes' is, across and down."""
        size = self._sizes[image]
        if np.isnan(size).any():
            return 1.0, 1.0
        return picture.size[0] / size[0], picture.size[1] / size[1]

    def _opened(self, image: int) -> Any:
        from PIL import ImageOps

        source = self._media.image(image)
        if source is None:
            return None
        picture = opened(source, scale=self._range)
        size = self._sizes[image]
        turned = ImageOps.exif_transpose(picture)
        upright = np.isnan(size).any() or tuple(size) != picture.size  # boxes of a picture that nobody turned
        picture = eight_bit(turned if upright and turned is not None else picture)
        return picture if picture.mode in ("L", "RGB", "RGBA") else picture.convert("RGB")


def _meet(box: Array, frame: tuple[float, float, float, float]) -> bool:
    x, y, width, height = frame
    inside = box[0] < x + width and box[1] < y + height and box[0] + box[2] > x and box[1] + box[3] > y
    return bool(inside)
