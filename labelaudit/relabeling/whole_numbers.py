"""Whole numbers as files write them: 2, 2.0 and 2. are one label, and each file keeps its own way."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Any

_WHOLE = re.compile(r"(-?\d+)(\.0*)?")


def digits(text: str) -> str:
    """Return a whole number without its decimals, and any other text as it is.

    >>> digits("2.0"), digits("2"), digits("2.5"), digits("cat")
    ('2', '2', '2.5', 'cat')
    """
    match = _WHOLE.fullmatch(text)
    return match[1] if match else text


def same_label(there: str, wanted: str | None, names: Collection[str] = ()) -> bool:
    """Say whether a file's label is the wanted one; "2.0" is 2 unless a class of that very name is known."""
    return there == wanted or (wanted is not None and there not in names and digits(there) == digits(wanted))


def as_written_there(new: str, old: str, known: Collection[str] = ()) -> str:
    """Return a new label in the way in which the old one is written, unless it is ``known`` as it is.

    >>> as_written_there("3", "2.0"), as_written_there("3.0", "2"), as_written_there("cat", "2.0")
    ('3.0', '3', 'cat')
    """
    here, there = _WHOLE.fullmatch(new), _WHOLE.fullmatch(old)
    if here is None or there is None or new in known:
        return new
    return here[1] + (there[2] or "")


def own_texts(labels: Iterable[str]) -> set[str]:
    """Return the labels of a column that are texts of their own: not 2 where 2.0 is there too, but then 2.0.

    >>> sorted(own_texts(["2", "2.0", "3", "cat"]))
    ['2.0', '3', 'cat']
    """
    found = set(labels)
    pointed = {digits(one) for one in found if digits(one) != one}
    return {one for one in found if one not in pointed}


def as_integer(label: Any) -> Any:
    """Return a float that is a whole number as an integer, and anything else as it is."""
    return int(label) if isinstance(label, float) and label.is_integer() else label
