"""What recorders stand on: the Callback of both of Lightning's packages, and a check of the module."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from inspect import signature
from typing import TYPE_CHECKING, Any

from labelaudit.errors import LabelAuditError

if TYPE_CHECKING:
    from lightning.pytorch import Callback
    from lightning_utilities.core.rank_zero import rank_zero_info
else:
    # Each of Lightning's two packages accepts only its own Callback: this is both.
    _packages = [name for name in ("lightning.pytorch", "pytorch_lightning") if find_spec(name.split(".")[0])]
    if not _packages:
        raise ImportError("the recorders for Lightning need it. Install it: pip install lightning")
    Callback = type("Callback", tuple(import_module(name).Callback for name in _packages), {})
    rank_zero_info = import_module(f"{_packages[0]}.utilities.rank_zero").rank_zero_info

__all__ = ["Callback", "rank_zero_info", "refuse_dataloader_iter"]


def refuse_dataloader_iter(pl_module: Any) -> None:
    """A step that fetches its batches hides which samples it uses."""
    if "dataloader_iter" in signature(pl_module.training_step).parameters:
        raise LabelAuditError(
            "training_step takes dataloader_iter and fetches its batches itself, so it is unknown which samples a step"
            " uses. Let it take (batch, batch_idx), or record in it: labelaudit.callbacks.TorchRecorder"
        )
