"""What a sample looks like: an image, a text or a table row, found by sample id or by position."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError

Array = npt.NDArray[Any]
TEXT_LIMIT = 1_000  # characters of a text that a card holds
COLUMNS = 12  # of a table row
VALUE_LIMIT = 80  # characters of a value in a table row


@dataclass
class Media:
    """Where the images, texts and rows of the samples come from.

    Args:
        ids: (n,) sample ids in dataset order.
        images: (n, H, W[, C]) array; a list of paths, arrays or PIL images; a mapping or function from the sample
            id to one of these; or a folder in which the sample ids are file names.
        texts: list, Series, mapping or function of the id.
        rows: DataFrame, indexed by sample id, or without an index of its own (0, 1, ...) in dataset order; or a
            mapping or function of the id.

    A list or an array has one entry per sample, in dataset order; where the sample ids are positions it may
    cover the whole dataset, also samples that were never seen.

    Raises:
        LabelAuditError: a length or a folder does not fit.
    """

    ids: Array
    images: Any = None
    texts: Any = None
    rows: Any = None
    _of: dict[str, Callable[[int], Any]] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        if isinstance(self.images, (str, os.PathLike)):
            self._of["images"] = _in_folder(self.ids, Path(self.images))
        elif self.images is not None:
            self._of["images"] = _lookup(self.ids, _plain_arrays(self.images), "images")
        if self.texts is not None:
            if isinstance(self.texts, str):
                raise LabelAuditError("texts= is one string; expected one text per sample, or a function of the id")
            self._of["texts"] = _lookup(self.ids, self.texts, "texts")
        if self.rows is not None:
            self._of["rows"] = _rows_lookup(self.ids, self.rows)

    def image(self, position: int) -> Any:
        """Return a sample's image as it was given (path, array, PIL image), None where there is none."""
        return self._of["images"](position) if "images" in self._of else None

    def text(self, position: int) -> str | None:
        """Return a sample's text, cut to TEXT_LIMIT characters; None where there is none."""
        found = self._of["texts"](position) if "texts" in self._of else None
        return None if _is_missing(found) else shortened(str(found), TEXT_LIMIT)

    def row(self, position: int) -> list[list[str]] | None:
        """Return a sample's [column, value] pairs, the first COLUMNS of them; None where there is none."""
        found = self._of["rows"](position) if "rows" in self._of else None
        if found is None:
            return None
        pairs = list(found.items())
        return [[shortened(str(column), VALUE_LIMIT), _value(value)] for column, value in pairs[:COLUMNS]]


def shortened(text: str, limit: int) -> str:
    """Return a text of at most ``limit`` characters.

    >>> shortened("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _value(value: Any) -> str:
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    return shortened(str(value), VALUE_LIMIT)


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _plain_arrays(images: Any) -> Any:
    """Return a tensor as an array; lists and functions as they are."""
    if isinstance(images, (list, tuple, Mapping)) or callable(images) or hasattr(images, "iloc"):
        return images
    if hasattr(images, "detach"):
        images = images.detach().cpu()
    array = np.asarray(images)
    if array.ndim not in (3, 4):
        raise LabelAuditError(
            f"images= has shape {array.shape}; expected (n, H, W), (n, H, W, C), or a list, a function or a folder"
        )
    return array


def _lookup(ids: Array, source: Any, what: str) -> Callable[[int], Any]:
    """Return position -> entry for a mapping, a function or a sequence."""
    if isinstance(source, Mapping):
        return lambda position: source.get(_plain(ids[position]))
    if callable(source):
        return lambda position: source(_plain(ids[position]))
    try:
        length = len(source)
    except TypeError:
        raise LabelAuditError(
            f"{what}= is a {type(source).__name__}; expected one entry per sample, or a function of the sample id"
        ) from None
    entries = source.iloc if hasattr(source, "iloc") else source
    if length == len(ids):
        return lambda position: entries[position]
    if ids.dtype.kind in "iu" and len(ids) and ids.min() >= 0 and ids.max() < length:
        return lambda position: entries[int(ids[position])]
    raise LabelAuditError(
        f"{what}= has {length:,} entries, the audit has {len(ids):,} samples. Pass one per sample in dataset order, "
        "or a function from the sample id"
    )


def _rows_lookup(ids: Array, rows: Any) -> Callable[[int], Any]:
    if not hasattr(rows, "iloc"):
        return _lookup(ids, rows, "rows")
    import pandas as pd

    if not rows.index.is_unique:
        twice = _plain(rows.index[rows.index.duplicated()][0])
        raise LabelAuditError(
            f"rows= has {twice!r} twice in its index; keep one row of each sample, or pass reset_index(drop=True) of "
            "rows in dataset order"
        )
    at = rows.index.get_indexer(pd.Index(ids))
    if (at >= 0).all():
        return lambda position: rows.iloc[int(at[position])]
    if isinstance(rows.index, pd.RangeIndex) and rows.index.name is None:
        return _lookup(ids, rows, "rows")
    lacking = _plain(ids[int((at < 0).argmax())])
    raise LabelAuditError(
        f"rows= has no row for sample {lacking!r} (the first of {int((at < 0).sum()):,}); its index begins with "
        f"{rows.index[:1].tolist()}. Index it by sample id, or pass reset_index(drop=True) of rows in dataset order"
    )


def _plain(sample: Any) -> Any:
    return sample.item() if isinstance(sample, np.generic) else sample


def _in_folder(ids: Array, folder: Path) -> Callable[[int], Path | None]:
    if not folder.is_dir():
        raise LabelAuditError(f"images= names {folder}, which is no folder; pass the folder that the sample ids are in")
    root = os.path.abspath(folder)

    def of(position: int) -> Path | None:
        place = os.path.normpath(os.path.join(root, str(ids[position])))
        inside = place.startswith(root.rstrip(os.sep) + os.sep)  # an id such as ../../x leads nowhere
        return Path(place) if inside and "\0" not in place and os.path.isfile(place) else None

    if len(ids) and not any(of(position) is not None for position in _some(len(ids))):
        hint = "Pass a function from the sample id to its path"
        if ids.dtype.kind in "iu":
            hint = (
                "These ids are positions in the dataset: pass the path of every sample, in a list (images=paths), an "
                "array of images (--images FILE.npy), or record with sample_ids=paths"
            )
        raise LabelAuditError(f"no image found: {folder} has no file {str(ids[0])!r} (the first sample id). {hint}")
    return of


def _some(n: int, most: int = 1_000) -> Sequence[int]:
    return range(0, n, max(n // most, 1))
