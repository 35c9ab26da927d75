"""Which images there are, and their labels: class folders, a table of paths and labels, or arrays."""

from __future__ import annotations

import os
import re
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError
from labelaudit.relabeling.tree import IMAGES, files_of

Array = npt.NDArray[Any]
SUFFIXES = (*IMAGES, ".gif", ".jfif", ".jpe", ".jp2", ".tga", ".ico")
PATH_COLUMNS = (
    "path",
    "file",
    "filename",
    "file_name",
    "filepath",
    "file_path",
    "image",
    "image_path",
    "img",
    "sample_id",
)
LABEL_COLUMNS = ("label", "class", "target", "category", "given_label", "class_name", "y")


@dataclass
class ImageList:
    """Images and their given labels.

    Attributes:
        ids: (n,) unique names: paths relative to `root`, paths as a table has them, or positions.
        labels: (n,) class numbers.
        class_names: (K,) names in natural order: "class 2" before "class 10".
        root: the folder that relative paths start from; None for arrays.
        arrays: (n, H, W, C) uint8 where the images came as arrays.
        notes: what was left out, one sentence each.
        unreadable: {id: why} of images that cannot be used.
        content: digest of what the files hold, once they were read; empty for arrays.
    """

    ids: list[str]
    labels: Array
    class_names: list[str]
    root: Path | None = None
    arrays: Array | None = None
    notes: list[str] = field(default_factory=list)
    unreadable: dict[str, str] = field(default_factory=dict)
    content: str = ""

    def __len__(self) -> int:
        return len(self.ids)

    def path(self, position: int) -> Path:
        """Return where an image lies."""
        assert self.root is not None
        return self.root / self.ids[position]

    def without(self, left_out: dict[str, str]) -> ImageList:
        """Return the list less some images, and less the classes that have none left."""
        kept = [i for i, name in enumerate(self.ids) if name not in left_out]
        names = [self.class_names[label] for label in self.labels[kept].tolist()]
        found = _listed([self.ids[i] for i in kept], names, self.root, self.notes)
        empty = [name for name in self.class_names if name not in set(found.class_names)]
        if empty:
            found.notes.append(f"no readable image in {_some(empty)}: left out as a class.")
        found.arrays = None if self.arrays is None else self.arrays[kept]
        found.unreadable = {**self.unreadable, **left_out}
        return found


def natural(text: str) -> tuple[Any, ...]:
    """Return a key that sorts numbers in texts by their value.

    >>> sorted(["class 10", "class 2", "Class 1"], key=natural)
    ['Class 1', 'class 2', 'class 10']
    """
    return (
        *(
            (0, int(part), "") if part.isdecimal() else (1, 0, part.casefold())
            for part in re.split(r"(\d+)", text)
            if part
        ),
        (2, 0, text),
    )


def read_images(data: Any) -> ImageList:
    """Return the images of a data set.

    Args:
        data: a folder of class folders, the path of a ``.csv``, ``.tsv`` or ``.parquet`` table with a path and a label
            column, of a ``.npz`` file with images and labels, or the arrays (images, labels) themselves.

    Raises:
        LabelAuditError: there is nothing of that kind; what was found is said.
    """
    if isinstance(data, tuple):
        return _from_arrays(*data)
    path = Path(data)
    if path.is_dir():
        return _from_folder(path)
    if not path.exists():
        raise LabelAuditError(f"data_path: there is no folder or file {path}; expected {path}/CLASS/IMAGE")
    suffix = path.suffix.lower()
    if suffix == ".npz":
        return _from_npz(path)
    if suffix not in (".csv", ".tsv", ".parquet"):
        raise LabelAuditError(f"data_path: {path} is no folder, .csv, .tsv, .parquet or .npz file")
    return _from_table(path)


def _listed(ids: Sequence[str], names: Sequence[str], root: Path | None, notes: Sequence[str] = ()) -> ImageList:
    classes = sorted(set(names), key=natural)
    number = {name: k for k, name in enumerate(classes)}
    labels = np.array([number[name] for name in names], np.int64)
    return ImageList(list(ids), labels, classes, root, notes=list(notes))


def _some(names: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(repr(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def _from_folder(root: Path) -> ImageList:
    files = [name for name in files_of(root) if not any(part.startswith(".") for part in name.split("/"))]
    odd = [name for name in files if not _encodable(name)]
    other = [name for name in files if not name.lower().endswith(SUFFIXES)]
    images = [name for name in files if name.lower().endswith(SUFFIXES)]
    if not images:
        directly = sum(entry.name.lower().endswith(SUFFIXES) for entry in os.scandir(root) if entry.is_file())
        found = (
            f"{directly:,} images directly in it" if directly else f"{len(other):,} other files" if other else "nothing"
        )
        raise LabelAuditError(
            f"data_path: {root} has no images in class folders ({found}); expected {root}/CLASS/IMAGE"
        )
    good = sorted(set(images) - set(odd), key=natural)
    listed = _listed(good, [name.split("/", 1)[0] for name in good], root)
    listed.unreadable = {_shown(name): "its name is no UTF-8: rename it" for name in odd}
    direct = [
        e.name for e in os.scandir(root) if e.is_file() and e.name.lower().endswith(SUFFIXES) and e.name[0] != "."
    ]
    if other:
        listed.notes.append(f"{len(other):,} file{_s(other)} no image, such as {_shown(other[0])!r}: left out.")
    if direct:
        listed.notes.append(
            f"{len(direct):,} image{_s(direct, '', 's')} in no class folder, such as {_shown(min(direct))!r}: left out."
        )
    if all(name.count("/") > 1 for name in good) and len(listed.class_names) < 5:
        below = sorted({name.split("/")[1] for name in good}, key=natural)
        listed.notes.append(
            f"all images lie two folders deep, so the classes are {_some(listed.class_names)}. If {_some(below)} are "
            f"the classes, name {root / listed.class_names[0]} as data_path."
        )
    return listed


def _s(names: Sequence[str], one: str = " is", more: str = "s are") -> str:
    return one if len(names) == 1 else more


def _encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()


def _from_table(path: Path) -> ImageList:
    import pandas as pd

    separator = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        if path.suffix.lower() == ".parquet":
            table = pd.read_parquet(path)
        else:
            table = pd.read_csv(path, dtype=str, keep_default_na=False, sep=separator, encoding="utf-8-sig")
    except (ValueError, OSError) as problem:  # pandas' own errors are ValueErrors
        said = " ".join(str(problem).split())  # pandas' own may end in an empty line
        raise LabelAuditError(f"data_path: {path} cannot be read as a table: {said}") from None
    columns = {str(name).strip().lower(): name for name in table.columns}
    chosen = []
    for kind, known in (("path", PATH_COLUMNS), ("label", LABEL_COLUMNS)):
        fitting = [columns[name] for name in known if name in columns]
        if not fitting and len(columns) == 1 and (found := re.search(r"[;,|\t]", str(table.columns[0]))):
            raise LabelAuditError(
                f"data_path: the columns of {path} are separated by {found[0]!r}; expected {separator!r} (tabs in .tsv "
                "files, commas in .csv files)"
            )
        if not fitting:
            raise LabelAuditError(
                f"data_path: {path} has columns {', '.join(map(str, table.columns))}; expected one called {kind}"
            )
        chosen.append(fitting[0])
    files, given = (table[name] for name in chosen)
    empty = files.isna() | given.isna() | (files.astype(str) == "") | (given.astype(str) == "")
    if empty.any():
        raise LabelAuditError(f"data_path: {path} has no path or no label in row {int(empty.to_numpy().argmax()) + 1}")
    names = [str(name) for name in files]
    twice = pd.Index(names).duplicated()
    if twice.any():
        raise LabelAuditError(
            f"data_path: {path} names {names[int(twice.argmax())]!r} twice; keep one row of each image"
        )
    if not names:
        raise LabelAuditError(f"data_path: {path} has no rows")
    labels = [_label(label) for label in given]
    _refuse_labels_that_look_alike(set(labels), path)
    return _listed(names, labels, path.parent)


def _refuse_labels_that_look_alike(labels: set[str], path: Path) -> None:
    """Refuse a label that is another one with spaces around it: they would be two classes."""
    for label in sorted(labels):
        if label.strip() != label and label.strip() in labels:
            raise LabelAuditError(
                f"data_path: {path} has labels {label.strip()!r} and {label!r}, which differ in spaces only; write one "
                "class in one way"
            )


def _label(value: Any) -> str:
    """Return a label's name; whole numbers have no decimal point."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _from_npz(path: Path) -> ImageList:
    try:
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as file:
            arrays = {name.lower(): file[name] for name in file.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error):  # NumPy's own text advises allow_pickle
        raise LabelAuditError(
            f"data_path: {path} cannot be read as NumPy arrays without pickles; write it with "
            "numpy.savez(path, images=images, labels=labels), arrays of numbers or texts"
        ) from None
    images = next((arrays[name] for name in ("images", "x", "data") if name in arrays), None)
    labels = next((arrays[name] for name in ("labels", "y", "targets") if name in arrays), None)
    if images is None or labels is None:
        raise LabelAuditError(f"data_path: {path} holds {', '.join(arrays) or 'nothing'}; expected images and labels")
    return _from_arrays(images, labels)


def _from_arrays(images: Any, labels: Any) -> ImageList:
    import pandas as pd

    pixels, given = np.asarray(images), np.asarray(labels)
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    if pixels.ndim != 4 or pixels.shape[3] not in (1, 3) or given.shape != (len(pixels),) or not len(pixels):
        raise LabelAuditError(
            f"images have shape {np.shape(images)}, labels {given.shape}; expected (n, H, W), (n, H, W, 1) or "
            "(n, H, W, 3) and (n,)"
        )
    missing = np.flatnonzero(pd.isna(np.asarray(labels, dtype=object)))
    if len(missing):
        raise LabelAuditError(
            f"{len(missing):,} of {len(given):,} labels are NaN or None (first: image {missing[0]}); expected one for "
            "each image. Leave those images out"
        )
    if pixels.dtype != np.uint8:
        pixels = _bytes(pixels)
    listed = _listed([str(i) for i in range(len(pixels))], [_label(label) for label in given.tolist()], None)
    listed.arrays = pixels
    return listed


def _bytes(pixels: Array) -> Array:
    """Return pixels as 0 to 255: whole numbers up to 255 as they are, others stretched from lowest to highest."""
    if pixels.dtype.kind not in "biuf" or not np.isfinite(pixels).all():
        raise LabelAuditError(f"images are of type {pixels.dtype} or hold NaN; expected finite numbers")
    low, high = float(pixels.min()), float(pixels.max())
    if pixels.dtype.kind in "iu" and low >= 0 and high <= 255:
        return pixels.astype(np.uint8)
    low = min(low, 0.0)
    return np.rint((pixels - low) * (255 / max(high - low, 1e-12))).astype(np.uint8)
