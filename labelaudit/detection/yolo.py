"""YOLO's text files: one per image, a box per line: class, middle and size as shares of the picture, and score.

A line of three or more corners, as of a segmentation, stands for the box around them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from labelaudit.detection.folders import PICTURES, files_in, label_files, place_in
from labelaudit.detection.table import BoxTable
from labelaudit.errors import LabelAuditError

NOT_LABELS = ("classes.txt", "obj.names", "train.txt", "val.txt", "test.txt")


def read(folder: Path, *, images: Any = None, image_sizes: Any = None) -> BoxTable:
    """Read a folder of YOLO files; the image id is the file's path in the folder without its ending.

    Args:
        folder: the text files; ``classes.txt`` (a name per line) names the classes where it is there.
        images: folder of the pictures, whose headers tell their sizes; default: the folder itself, or, where it is
            called labels, the one called images beside it.
        image_sizes: {image id: (width, height)} instead.
    """
    import pandas as pd

    files = label_files(folder, ".txt", NOT_LABELS)
    ids = list(files)
    sizes, pictures = _sizes(folder, ids, images, image_sizes)
    rows = [row for of, path in files.items() for row in _lines(of, path, *sizes[of])]
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise LabelAuditError(f"{folder}: some lines have a score and some have none")
    columns = ["image_id", "category", "x", "y", "w", "h", "score"][: max(lengths, default=6)]
    frame = pd.DataFrame(rows, columns=columns)
    names = folder / "classes.txt"
    known = dict(enumerate(text(names).split("\n"))) if names.exists() else None
    known = {key: name.strip() for key, name in known.items() if name.strip()} if known else None
    own = {of: place_in(folder, path) for of, path in files.items()}
    return BoxTable(frame, str(folder), ids, sizes, known, "yolo", pictures, own)


def text(path: Path) -> str:
    """Return what a text file holds, without a byte order mark."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise LabelAuditError(f"{path} is no text in UTF-8, which YOLO's files are: {problem}") from None


def _lines(of: str, path: Path, width: float, height: float) -> list[list[Any]]:
    found = []
    for number, line in enumerate(text(path).splitlines(), 1):
        parts = line.split()
        if not parts:
            continue
        try:
            values = [float(part) for part in parts]
            outline = is_outline(line)
            if not (len(values) in (5, 6) or outline) or not np.isfinite(values).all() or values[0] != int(values[0]):
                raise ValueError
        except ValueError:
            raise LabelAuditError(
                f"{path}, line {number}: {line.strip()[:60]!r}; expected: class x y w h, and a score for "
                "detections; or class and the corners x y of an outline"
            ) from None
        if outline:
            _refuse_keypoints(values[1:], f"{path}, line {number}")
            left, right, top, bottom = (end(values[at::2]) for at in (1, 2) for end in (min, max))
            values = [values[0], (left + right) / 2, (top + bottom) / 2, right - left, bottom - top]
        kind, x, y, w, h = values[:5]
        if max(abs(x), abs(y), abs(w), abs(h)) > 2:
            raise LabelAuditError(
                f"{path}, line {number}: {line.strip()[:60]!r} has pixels; YOLO's numbers are shares of the "
                "picture, 0 to 1"
            )
        box = [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]
        found.append([of, int(kind), *box, *values[5:]])
    return found


def is_outline(line: str) -> bool:
    """Return whether a line has the corners of an outline: three pairs of numbers or more."""
    n = len(line.split())
    return n > 6 and n % 2 == 1


def _refuse_keypoints(corners: list[float], place: str) -> None:
    """Refuse numbers that are no shares of a picture, such as how visible a keypoint is."""
    odd = next((one for one in corners if not -0.1 <= one <= 1.1), None)
    if odd is not None:
        raise LabelAuditError(
            f"{place}: {odd:g} is no share of the picture, so these are no corners of an outline; of keypoints leave "
            "the first five numbers (class x y w h)"
        )


def _sizes(
    folder: Path, ids: list[str], images: Any, image_sizes: Any
) -> tuple[dict[Any, tuple[float, float]], dict[Any, str]]:
    """Return {image id: (width, height)}, and {image id: name} of the pictures that were looked for and found."""
    known = dict(image_sizes) if isinstance(image_sizes, Mapping) else {}
    open_ids = [of for of in ids if of not in known]
    if not open_ids and images is None:
        return {of: known[of] for of in ids}, {}
    where = Path(images) if images is not None else _beside(folder)
    pictures = {place_in(where, path.with_suffix("")): path for path in files_in(where, PICTURES)}
    missing = [of for of in open_ids if of not in pictures]
    if missing:
        raise LabelAuditError(
            f"{folder}: the size of picture {missing[0]!r} is unknown ({len(missing):,} of {len(ids):,} are). Pass "
            "images= (the folder of the pictures) or image_sizes={image id: (width, height)}"
        )
    known.update({of: picture_size(pictures[of]) for of in open_ids})
    return {of: known[of] for of in ids}, {of: place_in(where, pictures[of]) for of in ids if of in pictures}


def _beside(folder: Path) -> Path:
    if "labels" in folder.parts:
        at = len(folder.parts) - 1 - folder.parts[::-1].index("labels")
        candidate = Path(*folder.parts[:at], "images", *folder.parts[at + 1 :])
        if candidate.is_dir():
            return candidate
    return folder


def picture_size(path: Path) -> tuple[float, float]:
    """Return the width and height in a picture's header."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return (float(picture.width), float(picture.height))
    except (OSError, ValueError) as problem:
        raise LabelAuditError(f"{path} cannot be read as a picture: {problem}") from None
