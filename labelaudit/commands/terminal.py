"""What commands say on a terminal. Ids, class names and paths come from files: they may not steer it."""

from __future__ import annotations

import sys
from typing import Any

from labelaudit.visible import one_line, visible


def tell(text: Any = "", *, error: bool = False, flush: bool = False) -> None:
    """Print text, visible; errors on one line, on the standard error stream."""
    if error:
        print(one_line(text), file=sys.stderr, flush=flush)
    else:
        print(visible(text), flush=flush)
