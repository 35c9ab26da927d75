"""Folders with one file of labels per picture: which file belongs to which image."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from labelaudit.detection.table import BoxTable
from labelaudit.errors import LabelAuditError

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")


def label_files(folder: Path, suffix: str, skip: Collection[str] = ()) -> dict[str, Path]:
    """Return {image id: file}, sorted by name; the id is the file's path in the folder without its ending.

    Args:
        folder: where the files are, and folders with more; hidden ones are left alone.
        suffix: their ending, e.g. ".txt"; capitals are read too.
        skip: names of files that are no labels.
    """
    found: dict[str, Path] = {}
    for path in files_in(folder, (suffix,)):
        if path.name in skip:
            continue
        of = place_in(folder, path.with_suffix(""))
        if of in found:
            raise LabelAuditError(
                f"{folder}: {found[of].name} and {path.name} are both labels of the picture {of!r}; leave one of them"
            )
        found[of] = path
    return found


def files_in(folder: Path, suffixes: Collection[str]) -> Iterator[Path]:
    """Yield the files of some endings in a folder and the folders in it, sorted, without hidden ones."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in suffixes and path.is_file() and "/." not in f"/{place_in(folder, path)}":
            yield path


def place_in(folder: Path, path: Path) -> str:
    """Return the path of a file in a folder, with slashes."""
    return path.relative_to(folder).as_posix()


def file_names(
    image_ids: Iterable[Any], table: BoxTable, suffix: str, same_format: bool, taken: Collection[str] = ()
) -> dict[Any, str]:
    """Return {image id: name of its file of labels} in a folder that is written.

    A file that was read keeps its name; labels from elsewhere are named after the picture, and where two pictures in
    different folders have one name, all are put in folders of these names.

    Args:
        image_ids: of all images.
        table: what was read.
        suffix: ending of the files, e.g. ".txt".
        same_format: whether the format is that of the files that were read.
        taken: names that are no labels in this format.
    """
    image_ids = list(image_ids)
    pictures = [str(of) if table.files else _without_ending(table.pictures.get(of, str(of))) for of in image_ids]
    flat = [picture.name for picture in map(PurePosixPath, pictures)]
    inside = all(_is_inside(picture) for picture in pictures)
    called = pictures if inside and (table.files or len(set(flat)) < len(flat)) else flat
    names: dict[Any, str] = {}
    owner: dict[str, Any] = {}
    for of, picture in zip(image_ids, called, strict=True):
        name = table.files.get(of) if same_format else None
        name = name or f"{picture}{suffix}"
        if PurePosixPath(name).name in taken:
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
    return str(name.with_suffix("") if name.suffix.lower() in PICTURES else name)


def _is_inside(picture: str) -> bool:
    """Return whether a path leads nowhere out of the folder that it is put in."""
    return not (picture.startswith("/") or ".." in PurePosixPath(picture).parts or picture[1:2] == ":")
