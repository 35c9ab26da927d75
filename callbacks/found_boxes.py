"""Finds detections and ground truth in what a step returned and in its batch. Looks at shapes only, at no value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from labelaudit.detection.store import batches
from labelaudit.detection.store.images import TRUTH
from labelaudit.detection.store.ragged import Ragged
from labelaudit.detection.store.rows import DRAWN
from labelaudit.errors import LabelAuditError

Pick = str | Callable[[Any, Any], Any] | None
DETECTION_KEYS = ("detections", "preds", "predictions", "outputs")
TARGET_KEYS = ("targets", "target", "annotations", "labels")
IMAGE_KEYS = ("images", "image", "pixel_values", "x", "inputs")


def find_detections(outputs: Any, batch: Any, adapter: Callable[[Any, Any], Any] | None) -> Any:
    """Return the detections in a step's outputs, a list of dicts; None where there are none."""
    if adapter is not None:
        return adapter(outputs, batch)
    return _first(outputs, DETECTION_KEYS, _are_detections)


def find_targets(outputs: Any, batch: Any, pick: Pick) -> Any:
    """Return the ground truth of a batch, a list of dicts.

    Raises:
        LabelAuditError: there is none.
    """
    if callable(pick):
        return pick(outputs, batch)
    if pick is not None:
        found = _under(outputs, pick)
        found = _under(batch, pick) if found is None else found
    else:
        found = _first(outputs, TARGET_KEYS, _are_targets)
        found = _first(batch, TARGET_KEYS, _are_targets) if found is None else found
    if found is None:
        raise LabelAuditError(
            f"no ground truth found{'' if pick is None else f' under {pick!r}'} in {described(batch)}. Expected one "
            "dict with boxes and labels per image; pass targets='key' or targets=lambda outputs, batch: [...]"
        )
    return found


def _first(value: Any, keys: Sequence[str], fits: Callable[[Any], bool]) -> Any:
    if isinstance(value, Mapping):
        parts = [value[key] for key in keys if key in value]
    else:
        parts = [value, *value] if isinstance(value, (list, tuple)) else []
    return next((part for part in parts if fits(part)), None)


def _are_detections(value: Any) -> bool:
    return _are_dicts(value) and all(key in one for one in value for key in DRAWN)


def _are_targets(value: Any) -> bool:
    return _are_dicts(value) and all("boxes" in one and "labels" in one and "scores" not in one for one in value)


def _are_dicts(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) > 0 and all(isinstance(one, Mapping) for one in value)


def _under(value: Any, key: str) -> Any:
    return value[key] if isinstance(value, Mapping) and key in value else None


def images_of(batch: Any) -> Any:
    """Return the part of a batch that a detector's forward takes."""
    if isinstance(batch, Mapping):
        return next((batch[key] for key in IMAGE_KEYS if key in batch), batch)
    return batch[0] if isinstance(batch, (list, tuple)) and len(batch) == 2 else batch


def sizes_of(batch: Any, n: int) -> Any:
    """Return (n, 2) width and height of the images of a batch, or None where they are not to be seen."""
    images = images_of(batch)
    if isinstance(images, Tensor) and images.ndim == 4 and len(images) == n:
        return np.tile([images.shape[3], images.shape[2]], (n, 1))
    if isinstance(images, (list, tuple)) and len(images) == n and all(getattr(i, "ndim", 0) == 3 for i in images):
        return np.array([[image.shape[2], image.shape[1]] for image in images])
    return None


def flat_boxes(detections: Any, targets: Any) -> tuple[Ragged, Ragged]:
    """Return both as flat arrays or tensors, copied: what they came from may change afterwards."""
    n = len(targets)
    drawn = batches.flat(detections, n, DRAWN, "detections", array=_as_is, join=_joined)
    return drawn, batches.flat(targets, n, TRUTH, "targets", array=_as_is, join=_joined)


def image_ids(targets: Any, key: str) -> Any:
    """Return the (n,) ids that the targets hold, an array or, where they are tensors, a tensor; None without them."""
    if not all(isinstance(target, Mapping) and key in target for target in targets):
        return None
    found = [target[key] for target in targets]
    if any(isinstance(one, Tensor) for one in found):
        return _joined([one.reshape(-1) if isinstance(one, Tensor) else torch.tensor([one]) for one in found])
    return np.array([one.item() if isinstance(one, (np.generic, np.ndarray)) else one for one in found])


def on_host(value: Any) -> Any:
    """Return a tensor as an array, waiting for its device; arrays as they are."""
    if not isinstance(value, Tensor):
        return value
    value = value.cpu()
    return (value.float() if value.dtype == torch.bfloat16 else value).numpy()


def _as_is(value: Any) -> Any:
    return value.detach() if isinstance(value, Tensor) else np.asarray(value)


def _joined(parts: list[Any]) -> Any:
    tensors = [part for part in parts if isinstance(part, Tensor)]
    if not tensors:
        return np.concatenate(parts)
    device = next((one.device for one in tensors if one.device.type != "cpu"), tensors[0].device)
    return torch.cat([torch.as_tensor(part).detach().to(device, non_blocking=True) for part in parts])


def described(value: Any) -> str:
    """Return what a value is made of, for errors."""
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {described(part)}" for key, part in list(value.items())[:8]) + "}"
    if isinstance(value, (list, tuple)):
        inside = ", ".join(described(part) for part in value[:2]) + (", ..." if len(value) > 2 else "")
        return f"{type(value).__name__}({inside})"
    return "nothing" if value is None else type(value).__name__
