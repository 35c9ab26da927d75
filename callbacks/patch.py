"""A replaced function that can be put back, in whatever order several replacements are undone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Patch:
    """Replace `owner.name` by `wrap(original)` until `undo()`.

    Two recorders in one Trainer patch the same function. If the older patch is undone first, it only lies dormant
    under the newer one, and goes with it.
    """

    def __init__(self, owner: Any, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
        self._owner, self._name = owner, name
        self._was_own = name in vars(owner)
        self._original = getattr(owner, name)
        self._active = True
        replacement: Any = wrap(self._original)
        replacement.labelaudit_patch = self
        setattr(owner, name, replacement)

    def undo(self) -> None:
        """Put the original back. A second call does nothing."""
        self._active = False
        top = getattr(getattr(self._owner, self._name), "labelaudit_patch", None)
        while top is not None and not top._active:
            top._restore()
            top = getattr(getattr(self._owner, self._name), "labelaudit_patch", None)

    def _restore(self) -> None:
        if self._was_own:
            setattr(self._owner, self._name, self._original)
        else:
            delattr(self._owner, self._name)
