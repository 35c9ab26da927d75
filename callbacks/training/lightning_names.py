"""Lightning, under whichever of its two names it is installed."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import lightning.pytorch as pl
else:
    pl = import_module("lightning.pytorch" if find_spec("lightning") else "pytorch_lightning")

__all__ = ["pl"]
