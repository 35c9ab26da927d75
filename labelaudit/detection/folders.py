"""Folders with one file of labels per picture: which file belongs to which image."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path, PurePosixPath
from typing import Any

from labelaudit.detection.table import BoxTable
from labelaudit.errors import LabelAuditError

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def label_files(folder: Path, suffix: str, skip: Collection[str] = ()) -> dict[str, Path]:
    """Return {image id: file}, sorted by name; the id is the file's name without its ending.

    Args:
        folder: where the files are.
        suffix: their ending, e.g. ".txt"; capitals are read too.
        skip: names of files that are no labels.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() != suffix or path.name in skip or not path.is_file():
            continue
        if path.stem in found:
            raise LabelAuditError(
                f"{folder}: {found[path.stem].name} and {path.name} are both labels of the picture {path.stem!r}; "
                "leave one of them"
            )
        found[path.stem] = path
    return found


def file_names(
    image_ids: Iterable[Any], table: BoxTable, suffix: str, same_format: bool, taken: Collection[str] = ()
) -> dict[Any, str]:
    """Return {image id: name of its file of labels} in a folder that is written.

    A file that was read keeps its name; labels from elsewhere are named after the picture.

    Args:
        image_ids: of all images.
        table: what was read.
        suffix: ending of the files, e.g. ".txt".
        same_format: whether the format is that of the files that were read.
        taken: names that are no labels in this format.
    """
    names: dict[Any, str] = {}
    owner: dict[str, Any] = {}
    for of in image_ids:
        name = table.files.get(of) if same_format else None
        name = name or f"{of if table.files else _without_ending(table.pictures.get(of, str(of)))}{suffix}"
        if name in taken:
            raise LabelAuditError(
                f"the labels of image {of!r} would be called {name}, which has another meaning in this format; rename "
                'the picture, or write format="coco"'
            )
        if name in owner:
            raise LabelAuditError(
                f"the labels of images {owner[name]!r} and {of!r} would both be called {name}; rename one of the "
                'pictures, or write format="coco"'
            )
        names[of], owner[name] = name, of
    return names


def _without_ending(picture: str) -> str:
    name = PurePosixPath(picture.replace("\\", "/"))  # Windows' folders too
    return name.stem if name.suffix.lower() in PICTURES else name.name
