"""Features of a PyTorch model over a dataloader: what `labelaudit.Embeddings.from_model` runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import RandomSampler
from tqdm import tqdm

from labelaudit.callbacks.crops import Boxes
from labelaudit.errors import LabelAuditError

if TYPE_CHECKING:
    import pandas as pd

Array = NDArray[Any]
LABEL_KEYS = ("labels", "label", "targets", "target", "y")


def extract(
    model: Any,
    dataloader: Any,
    *,
    layer: str,
    patches: pd.DataFrame | None,
    sample_ids: Any,
    device: Any,
    progress: bool,
) -> dict[str, Any]:
    """Return what `labelaudit.Embeddings.from_arrays` takes: X, sample_ids, labels, inside.

    Raises:
        LabelAuditError: the loader is shuffled, the layer is unknown, ids or boxes do not fit.
    """
    if isinstance(getattr(dataloader, "sampler", None), RandomSampler):
        raise LabelAuditError(
            "this dataloader is shuffled, so nobody knows which vector belongs to which sample. "
            "Type: DataLoader(dataset, batch_size=..., shuffle=False)"
        )
    tap = FeatureTap(model, layer)
    where = device if device is not None else _device_of(model)
    ids = None if sample_ids is None else np.asarray(sample_ids)
    boxes = None if patches is None else Boxes(patches)
    vectors: list[Array] = []
    labels: list[Array] = []
    position = 0
    with _evaluating(model), torch.no_grad(), tap:
        for batch in tqdm(dataloader, disable=not progress, desc="features"):
            inputs, given = _parts(batch)
            inputs = _moved(inputs, where)
            if boxes is None:
                vectors.append(tap.features(inputs))
            else:
                here = ids[position : position + len(inputs)] if ids is not None else None
                for crops in boxes.crops(inputs, position, here):
                    vectors.append(tap.features(crops))
            position += _length(inputs)
            if given is not None:
                labels.append(np.asarray(given.cpu() if isinstance(given, Tensor) else given))
    if ids is not None and len(ids) != position:
        raise LabelAuditError(f"sample_ids names {len(ids):,} samples, the dataloader gave {position:,}")
    if boxes is not None:
        return boxes.table(vectors)
    if not vectors:
        raise LabelAuditError("the dataloader gave no samples")
    return {"X": np.concatenate(vectors), "sample_ids": ids, "labels": _labels(labels, position)}


class FeatureTap:
    """Runs a model and returns what one of its layers says; a context manager that leaves no hook behind.

    Args:
        model: a module, or any function of a batch.
        layer: name of a submodule whose output is wanted, or "auto": the input of the linear layer that gives the
            model's output, else of the linear layer that ran last, else the output itself.

    Raises:
        LabelAuditError: there is no such submodule.
    """

    def __init__(self, model: Any, layer: str) -> None:
        self.model, self.layer = model, layer
        self._ran: dict[nn.Module, tuple[Any, Any]] = {}  # input and output of the watched modules, the last one last
        self._hooks: list[Any] = []
        modules = dict(model.named_modules()) if isinstance(model, nn.Module) else {}
        if layer == "auto":
            self._watched = [module for module in modules.values() if isinstance(module, nn.Linear)]
        elif layer in modules:
            self._watched = [modules[layer]]
        else:
            names = ", ".join(name for name in list(modules)[1:12]) or "none"
            raise LabelAuditError(f"the model has no layer {layer!r}; some of its layers: {names}")

    def __enter__(self) -> FeatureTap:
        self._hooks = [module.register_forward_hook(self._catch) for module in self._watched]
        return self

    def __exit__(self, *problem: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _catch(self, module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        self._ran.pop(module, None)
        self._ran[module] = (inputs[0] if inputs else None, output)

    def features(self, inputs: Any) -> Array:
        """Return the features of a batch, (b, d) single precision."""
        self._ran.clear()
        output = self.model(**inputs) if isinstance(inputs, Mapping) else self.model(inputs)
        found = self._chosen(output)
        if isinstance(found, (tuple, list)):
            found = found[0]
        if not isinstance(found, Tensor):
            raise LabelAuditError(
                f"layer {self.layer!r} gave {type(found).__name__}, no tensor of features; name a layer that gives one"
            )
        return _flat(found, _length(inputs)).float().cpu().numpy()

    def _chosen(self, output: Any) -> Any:
        if not self._watched:
            return output
        if not self._ran:
            raise LabelAuditError(f"layer {self.layer!r} did not run; name a layer that the model calls")
        if self.layer != "auto":
            return next(iter(self._ran.values()))[1]
        given = list(output.values()) if isinstance(output, Mapping) else output
        finals = given if isinstance(given, (tuple, list)) else [given]
        ends = [taken for taken, gave in self._ran.values() if any(gave is one for one in finals)]
        return (ends or [taken for taken, _ in self._ran.values()])[-1]


def _flat(features: Tensor, n: int) -> Tensor:
    """Return (n, d): means over the tokens of (n, tokens, d), and over the places of (n, d, height, width)."""
    if features.ndim == 0 or len(features) != n:
        raise LabelAuditError(
            f"the layer's features have shape {tuple(features.shape)}; expected {n} rows, one a sample"
        )
    if features.ndim == 1:
        return features[:, None]
    if features.ndim == 3:
        return features.mean(dim=1)
    return features.flatten(2).mean(dim=2) if features.ndim > 3 else features


def _parts(batch: Any) -> tuple[Any, Any]:
    """Return a batch's inputs and its labels, None where it has none."""
    if isinstance(batch, Mapping):
        key = next((name for name in LABEL_KEYS if name in batch), None)
        return {name: value for name, value in batch.items() if name != key}, batch[key] if key else None
    if isinstance(batch, (tuple, list)):
        return batch[0], batch[1] if len(batch) > 1 else None
    return batch, None


def _moved(inputs: Any, device: Any) -> Any:
    if isinstance(inputs, Mapping):
        return {name: _moved(value, device) for name, value in inputs.items()}
    return inputs.to(device) if isinstance(inputs, Tensor) and device is not None else inputs


def _length(inputs: Any) -> int:
    return len(next(iter(inputs.values()))) if isinstance(inputs, Mapping) else len(inputs)


def _labels(labels: list[Array], n: int) -> Array | None:
    """Return one label for each of n samples, or None where the batches hold no such thing."""
    if not labels or any(one.ndim != 1 for one in labels):
        return None
    found = np.concatenate(labels)
    return found if len(found) == n and found.dtype.kind in "iubUO" else None


def _device_of(model: Any) -> Any:
    first = next(model.parameters(), None) if isinstance(model, nn.Module) else None
    return None if first is None else first.device


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Put every submodule into evaluation mode, and back into the mode it was in."""
    modules = [module for module in model.modules() if module.training] if isinstance(model, nn.Module) else []
    for module in modules:
        module.training = False
    try:
        yield
    finally:
        for module in modules:
            module.training = True
