"""Catches what a step computes: the arguments of its loss function, the output of the forward pass."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensor
from torch._subclasses.functional_tensor import FunctionalTensor

from labelaudit.callbacks.patch import Patch
from labelaudit.callbacks.step_scores import Found, Pick, are_labels, are_scores, holds_only_loss

# The loss functions are watched twice. Their public names: a compiled step records what a function it traces does, and
# it traces no deeper. Where they end: a name imported before training still leads there.
_NAMES = (
    (nn.functional, "cross_entropy"),
    (nn.functional, "nll_loss"),
    (nn.functional, "binary_cross_entropy"),
    (nn.functional, "binary_cross_entropy_with_logits"),
)
_ENDS = (
    (torch._C._nn, "cross_entropy_loss"),
    (torch._C._nn, "nll_loss_nd"),
    (torch._C._nn, "binary_cross_entropy"),
    (torch, "binary_cross_entropy_with_logits"),
)


_OF_A_COMPILER = (FakeTensor, FunctionalTensor)


class _Slots:
    """The first and the last thing captured in a step. Two slots, not a list: a compiled step guards on a list."""

    first: Any = None
    last: Any = None

    def put(self, value: Any) -> None:
        if self.first is None:
            self.first = value
        else:
            self.last = value

    def clear(self) -> None:
        self.first = self.last = None

    def __iter__(self) -> Iterator[Any]:
        if self.first is not None:
            yield self.first
            if self.last is not None:
                yield self.last


class CapturedScores:
    """Finds a step's scores (n, K) or (n,) and labels (n,).

    Scores, in this order: what `scores` says; the step's dict (`logits`, `preds`, `scores`); the input of the one
    loss function called in the step; the output of the one call of the module's forward. Labels: what `labels` says;
    the step's dict (`targets`, `labels`, `y`); the target of that loss; the batch, if only one thing in it can be
    labels.
    """

    def __init__(self, scores: Pick | None, labels: Pick | None) -> None:
        self._scores, self._labels = scores, labels
        self._named_losses, self._losses, self._forward = _Slots(), _Slots(), _Slots()
        self._closed: tuple[list[Any], list[Any]] | None = None
        self.armed = False
        self._undo: list[Callable[[], None]] = []

    def attach(self, module: nn.Module) -> None:
        """Watch the loss functions and the forward pass of `module`, or of the submodule that `scores` names."""
        self.detach()
        if "torch._dynamo" in sys.modules:  # it looks torch's functions up by name, once: it must find the originals
            sys.modules["torch._dynamo"].trace_rules.get_torch_obj_rule_map()
        named = dict(module.named_modules())
        watched = named.get(self._scores, module) if isinstance(self._scores, str) else module
        self._undo = [Patch(*place, self._watcher(self._losses)).undo for place in _ENDS]
        self._undo += [Patch(*place, self._watcher(self._named_losses)).undo for place in _NAMES]
        self._undo.append(watched.register_forward_hook(self._after_forward).remove)
        self._named = watched is not module

    def detach(self) -> None:
        """Put everything back."""
        for undo in self._undo:
            undo()
        self._undo = []
        self._disarm()

    def begin(self) -> None:
        """A step begins: from now on losses and forward passes are the step's."""
        self._disarm()
        self.armed = True

    def end_step(self) -> None:
        """The step's own part ends, backward begins. A step that is repeated on the same batch begins anew."""
        caught = self._caught()
        if caught is not None:
            self._closed = caught
            self._clear()

    def take(self, outputs: Any, batch: Any, n: int, given: Callable[[], Any] = lambda: None) -> tuple[Tensor, Tensor]:
        """Scores and labels of the step that ended, for a batch of n samples; `given` looks labels up in the dataset.

        Raises:
            LabelAuditError: they can't be told; the message says what was found and what to pass.
        """
        losses, forwards = self._closed or self._caught() or ([], [])
        self._disarm()
        if self._scores is None and self._labels is None and losses and holds_only_loss(outputs):  # the usual, quickly
            scores, labels = losses[0]
            same = all(pair[0] is scores and pair[1] is labels for pair in losses)
            if same and are_scores(scores, n) and are_labels(labels, n):
                return scores, labels
        found = Found(outputs, batch, n, losses, forwards)
        with torch.no_grad():
            return found.scores(self._scores, self._named), found.labels(self._labels, given)

    def _disarm(self) -> None:
        self.armed = False
        self._closed = None
        self._clear()

    def _clear(self) -> None:
        for slots in (self._named_losses, self._losses, self._forward):
            slots.clear()

    def _caught(self) -> tuple[list[Any], list[Any]] | None:
        named, ends, forward = self._named_losses, self._losses, self._forward
        if named.first is None and ends.first is None and forward.first is None:
            return None
        return [*named, *ends], [*forward]

    def _watcher(self, slots: _Slots) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def watch(original: Callable[..., Any]) -> Callable[..., Any]:
            def loss(input: Tensor, target: Tensor, *args: Any, **kwargs: Any) -> Any:
                if self.armed and not isinstance(input, _OF_A_COMPILER):
                    slots.put((input, target))
                return original(input, target, *args, **kwargs)

            return loss

        return watch

    def _after_forward(self, module: nn.Module, args: Any, output: Any) -> None:
        if self.armed:
            self._forward.put(output)
