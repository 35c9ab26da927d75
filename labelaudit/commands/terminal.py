"""What commands say on a terminal. Ids, class names and paths come from files: they may not steer it."""

from __future__ import annotations

import re
import sys
from typing import Any

_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def visible(text: Any) -> str:
    r"""Return text in which control characters and marks that turn the direction of writing are seen, not obeyed.

    >>> visible("cat" + chr(27) + "[2J")
    'cat\\x1b[2J'
    """
    return _STEERING.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


def tell(text: Any = "", *, error: bool = False, flush: bool = False) -> None:
    """Print text, visible; errors on the standard error stream."""
    print(visible(text), file=sys.stderr if error else sys.stdout, flush=flush)
