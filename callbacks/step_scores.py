"""Which of the things that a step returned or computed are its scores and its labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from labelaudit.errors import LabelAuditError

Pick = str | Callable[[Any, Any], Tensor]  # a key of the step's output (for scores also a submodule), or a function

SCORE_KEYS = ("logits", "preds", "scores")
LABEL_KEYS = ("targets", "labels", "y", "target", "label")
_ABOUT_WIDE_LABELS = (
    " These labels are soft or multi-label, several numbers per sample, which is not supported: a sample has one class."
    " Pass the dataset's own class numbers, (n,)"
)


class UnknownStepError(LabelAuditError):
    """What a step predicted, or the labels, can't be told."""


class Found:
    """What one step left, and the choice among it."""

    def __init__(self, outputs: Any, batch: Any, n: int, losses: list[Any], forwards: list[Any]) -> None:
        self.outputs, self.batch, self.n = outputs, batch, n
        self._said = None if holds_only_loss(outputs) else outputs
        self._unsqueezed: dict[int, tuple[Tensor, Tensor]] = {}  # by id of the first, which is kept alive for that
        self.losses = [(self._batched(input), self._batched(target)) for input, target in losses]
        self._forwards = forwards

    @cached_property
    def forwards(self) -> list[Tensor]:
        """What the forward pass gave that can be scores."""
        found = [self._batched(_tensor_of(output)) for output in self._forwards]
        return [one for one in found if are_scores(one, self.n)]

    def _batched(self, value: Any) -> Any:
        """Undo a `squeeze()` that took away the dimension of a batch of one; the same tensor for the same tensor."""
        if self.n != 1 or not isinstance(value, Tensor) or value.ndim > 1 or value.shape == (1,):
            return value
        return self._unsqueezed.setdefault(id(value), (value, value[None]))[1]

    def scores(self, pick: Pick | None, named: bool) -> Tensor:
        """The scores; `named`: `pick` is a submodule, and `forwards` are its outputs."""
        if pick is not None:
            return self._picked("scores", pick, self.forwards if named else [])
        for key in SCORE_KEYS if self._said is not None else ():
            value = self._batched(_get(self._said, key))
            if are_scores(value, self.n):
                return _as_tensor(value)
        for get in (self._inputs, lambda: self.forwards):
            candidates = get()
            if candidates and all(candidate is candidates[0] for candidate in candidates):
                if are_scores(candidates[0], self.n):
                    return _as_tensor(candidates[0])
            elif candidates:
                break  # two heads: no guess
        raise self._unknown("scores", "logits")

    def labels(self, pick: Pick | None, given: Callable[[], Any]) -> Tensor:
        """The labels; `given` looks them up in the dataset."""
        if pick is not None:
            return self._picked("labels", pick, [])
        for key in LABEL_KEYS if self._said is not None else ():
            value = self._batched(_get(self._said, key))
            if are_labels(value, self.n):
                return _as_tensor(value)
        targets = [target for _, target in self.losses]
        if targets and all(target is targets[0] for target in targets) and are_labels(targets[0], self.n):
            return _as_tensor(targets[0])
        in_batch = self._labels_in_batch()
        if len(in_batch) == 1:
            return in_batch[0]
        in_dataset = given() if not in_batch else None
        if in_dataset is not None:
            return torch.from_numpy(in_dataset)
        raise self._unknown("labels", "targets")

    def _inputs(self) -> list[Any]:
        return [input for input, _ in self.losses]

    def _labels_in_batch(self) -> list[Tensor]:
        batch = self.batch
        if isinstance(batch, Mapping):
            return [batch[key] for key in LABEL_KEYS if key in batch and are_labels(batch[key], self.n)]
        parts = batch if isinstance(batch, (list, tuple)) else ()
        whole = [p for p in parts if isinstance(p, Tensor) and not p.is_floating_point()]
        return [part for part in whole if are_labels(part, self.n)]

    def _picked(self, what: str, pick: Pick, from_module: list[Any]) -> Tensor:
        if callable(pick):
            value = pick(self.outputs, self.batch)
        else:
            value = _get(self.outputs, pick)
            value = _get(self.batch, pick) if value is None and what == "labels" else value
            value = from_module[0] if value is None and len(from_module) == 1 else value
        value = self._batched(value)
        fits = are_scores(value, self.n) if what == "scores" else are_labels(value, self.n)
        if not fits:
            shape = f"({self.n}, classes) or ({self.n},), floating" if what == "scores" else f"({self.n},)"
            raise UnknownStepError(
                f"{what}={pick!r} gave {_describe(value)}, needed is a tensor of shape {shape}. {self._what_is_there()}"
            )
        return _as_tensor(value)

    def _unknown(self, what: str, key: str) -> UnknownStepError:
        wide = what == "labels" and any(_are_wide(target, self.n) for _, target in self.losses)
        return UnknownStepError(
            f"the {what} of this step can't be told. {self._what_is_there()} Let the step return a dict with"
            f" {key!r}, or pass {what}='key' or {what}=lambda outputs, batch: ... to PredictionRecorder."
            f"{_ABOUT_WIDE_LABELS if wide else ''}"
        )

    def _what_is_there(self) -> str:
        pairs = {(id(i), id(t)): f"{_describe(i)} with {_describe(t)}" for i, t in self.losses}
        losses = ", ".join(pairs.values())
        return (
            f"The batch of {self.n} samples is {_describe(self.batch)}; the step returned {_describe(self.outputs)};"
            f" loss functions called: {losses or 'none'};"
            f" forward gave: {', '.join(map(_describe, self.forwards)) or 'nothing of that length'}."
        )


def check_batch(ids: Any, scores: Any, labels: Any) -> None:
    """Refuse what can't be one batch.

    Raises:
        LabelAuditError: shapes or types don't fit each other.
    """
    n = len(ids)
    if not are_scores(scores, n) or not are_labels(labels, n):
        hint = ""
        if not (isinstance(scores, Tensor) and isinstance(labels, Tensor)):
            hint = " Pass tensors: torch.as_tensor(array); labelaudit.Recorder takes arrays"
        elif _are_wide(labels, n):
            hint = _ABOUT_WIDE_LABELS
        raise LabelAuditError(
            f"a batch of {n} samples needs tensors: scores ({n}, classes) or ({n},), floating, and labels ({n},), but"
            f" has scores {_describe(scores)} and labels {_describe(labels)}.{hint}"
        )


def _get(holder: Any, key: str) -> Any:
    if isinstance(holder, Mapping):
        return holder.get(key)
    if isinstance(holder, (list, tuple)) and key.isdigit() and int(key) < len(holder):
        return holder[int(key)]
    return getattr(holder, key, None)


def _tensor_of(output: Any) -> Any:
    """The logits of a model output with several fields."""
    return output if isinstance(output, Tensor) else _get(output, "logits")


def _as_tensor(value: Any) -> Tensor:
    assert isinstance(value, Tensor)
    return value


def holds_only_loss(outputs: Any) -> bool:
    """Whether a step returned nothing that could hold scores."""
    return isinstance(outputs, Tensor) or (type(outputs) is dict and len(outputs) == 1 and "loss" in outputs)


def are_scores(value: Any, n: int) -> bool:
    """One or several numbers for each of n samples."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        return False
    shape = value.shape
    return len(shape) in (1, 2) and shape[0] == n


def are_labels(value: Any, n: int) -> bool:
    """One number each. Floats may be the 0 and 1 of a binary loss; the writer looks at their values."""
    return isinstance(value, Tensor) and value.shape in ((n,), (n, 1)) and not value.is_complex()


def _are_wide(labels: Any, n: int) -> bool:
    return isinstance(labels, Tensor) and labels.ndim == 2 and labels.shape[0] == n and labels.shape[1] > 1


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_describe(part)}" for key, part in value.items()) + "}"
    if isinstance(value, (list, tuple)) and len(value) <= 8:
        return f"{type(value).__name__}({', '.join(map(_describe, value))})"
    return "nothing" if value is None else type(value).__name__
