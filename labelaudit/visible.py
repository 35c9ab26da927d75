"""Text from data, such as ids, names of classes and paths, as it may be printed: seen, not obeyed by a terminal."""

from __future__ import annotations

import os
import re
import shlex
from typing import Any

_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ENDING = re.compile("[\t\n\u2028\u2029]")


def visible(text: Any) -> str:
    r"""Return text in which control characters and marks that turn the direction of writing are seen, not obeyed.

    >>> visible("cat" + chr(27) + "[2J")
    'cat\\x1b[2J'
    """
    return _STEERING.sub(_escaped, str(text))


def one_line(text: Any) -> str:
    r"""Return the same with the ends of its lines seen, too: for what has a line, or a part of one, to itself.

    >>> one_line("cat" + chr(10) + "Flagged: 0")
    'cat\\nFlagged: 0'
    """
    return _ENDING.sub(_escaped, visible(text))


def typed(path: str | os.PathLike[str]) -> str:
    """Return a path as it is typed in a shell.

    >>> typed("my runs/digits"), typed("runs/digits")
    ("'my runs/digits'", 'runs/digits')
    """
    place = os.fspath(path)
    return shlex.quote(place) if os.name != "nt" else f'"{place}"' if " " in place else place


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode()
