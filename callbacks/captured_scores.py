"""Catches what a step computes: the arguments of its loss function, the output of the forward pass."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensor
from torch._subclasses.functional_tensor import FunctionalTensor

from labelaudit.callbacks.patch import Patch
from labelaudit.callbacks.step_scores import Found, Pick, are_labels, are_scores, holds_only_loss

# The loss functions are watched twice. Their public names: a compiled step records what a function it traces does, and
# it traces no deeper. Where they end: a name imported before training still leads there. Each with what its input is.
_NAMES = (
    (nn.functional, "cross_entropy", "logits"),
    (nn.functional, "nll_loss", "logits"),
    (nn.functional, "binary_cross_entropy", "probabilities"),
    (nn.functional, "binary_cross_entropy_with_logits", "logits"),
)
_ENDS = (
    (torch._C._nn, "cross_entropy_loss", "logits"),
    (torch._C._nn, "nll_loss_nd", "logits"),
    (torch._C._nn, "binary_cross_entropy", "probabilities"),
    (torch, "binary_cross_entropy_with_logits", "logits"),
)


_OF_A_COMPILER = (FakeTensor, FunctionalTensor)


class _Slots:
    """The first and the last thing captured in a step. Two slots, not a list: a compiled step guards on a list."""

    def __init__(self) -> None:
        self.first: Any = None
        self.last: Any = None

    def put(self, value: Any) -> None:
        if self.first is None:
            self.first = value
        else:
            self.last = value

    def emptied(self) -> list[Any]:
        """What was captured; from here on it is forgotten."""
        first, last = self.first, self.last
        if first is None:
            return []
        self.first = self.last = None
        return [first] if last is None else [first, last]


class CapturedScores:
    """Finds a step's scores (n, K) or (n,) and labels (n,).

    Scores, in this order: what `scores` says; the step's dict (`logits`, `preds`, `scores`); the input of the one
    loss function called in the step; the output of the one call of the module's forward. Labels: what `labels` says;
    the step's dict (`targets`, `labels`, `y`); the target of that loss; the batch, if only one thing in it can be
    labels.

    Attributes:
        scores_are: what the loss function of the first step took its scores for, "logits" or "probabilities"; "auto"
            where the scores are not the input of a loss function, None before the first step.
    """

    def __init__(self, scores: Pick | None, labels: Pick | None) -> None:
        self._scores, self._labels = scores, labels
        self._named_losses, self._losses, self._forward = _Slots(), _Slots(), _Slots()
        self._closed: tuple[list[Any], list[Any]] | None = None
        self._of_the_loss = False  # the last step's scores and labels were the arguments of its loss
        self.scores_are: str | None = None
        self.armed = False
        self._undo: list[Callable[[], None]] = []

    def attach(self, module: nn.Module) -> None:
        """Watch the loss functions and the forward pass of `module`, or of the submodule that `scores` names."""
        self.detach()
        if "torch._dynamo" in sys.modules:  # it looks torch's functions up by name, once: it must find the originals
            sys.modules["torch._dynamo"].trace_rules.get_torch_obj_rule_map()
        named = dict(module.named_modules())
        watched = named.get(self._scores, module) if isinstance(self._scores, str) else module
        self._undo = [Patch(at, name, self._watcher(self._losses, kind)).undo for at, name, kind in _ENDS]
        self._undo += [Patch(at, name, self._watcher(self._named_losses, kind)).undo for at, name, kind in _NAMES]
        self._undo.append(watched.register_forward_hook(self._after_forward).remove)
        self._named = watched is not module
        self.scores_are = None

    def detach(self) -> None:
        """Put everything back."""
        for undo in self._undo:
            undo()
        self._undo = []
        self._disarm()

    # A step is short and leaves the caches cold: what runs in every one of them does no more than it must.

    def begin(self) -> None:
        """A step begins: from now on losses and forward passes are the step's."""
        if self.armed:  # nobody took what the one before left
            self._disarm()
        self.armed = True

    def end_step(self, copy: Callable[[Tensor, Tensor], tuple[Tensor, Tensor] | None] | None = None) -> None:
        """The step's own part ends, backward begins. A step that is repeated on the same batch begins anew.

        Args:
            copy: makes copies of scores and labels to stand for them from now on, where the last step's were those of
                its loss: scores that outlive their step push the backward pass out of the caches. None: no copies.
        """
        losses = self._named_losses.emptied() + self._losses.emptied()
        forwards = self._forward.emptied()
        if copy is not None and self._of_the_loss and losses and _all_same(losses):
            scores, labels, kind = losses[0]
            copied = copy(scores, labels)
            if copied is not None:
                losses, forwards = [(*copied, kind)], []
        if losses or forwards:
            self._closed = losses, forwards

    def is_skipped(self) -> bool:
        """Whether the step called neither a loss function nor the forward pass; then it is over."""
        if self._closed is None:
            self.end_step()
        if self._closed is not None:
            return False
        self._disarm()
        return True

    def take(self, outputs: Any, batch: Any, n: int, given: Callable[[], Any] = lambda: None) -> tuple[Tensor, Tensor]:
        """Scores and labels of the step that ended, for a batch of n samples; `given` looks labels up in the dataset.

        Raises:
            LabelAuditError: they can't be told; the message says what was found and what to pass.
        """
        if self._closed is None:
            self.end_step()
        losses, forwards = self._closed or ([], [])
        self._disarm()
        if self._scores is None and self._labels is None and losses and holds_only_loss(outputs):  # the usual, quickly
            scores, labels, kind = losses[0]
            if _all_same(losses) and are_scores(scores, n) and are_labels(labels, n):
                self._of_the_loss = True
                self.scores_are = self.scores_are or kind
                return scores, labels
        self._of_the_loss = False
        found = Found(outputs, batch, n, [loss[:2] for loss in losses], forwards)
        with torch.no_grad():
            scores, labels = found.scores(self._scores, self._named), found.labels(self._labels, given)
        if self.scores_are is None:
            self.scores_are = next((kind for input, _, kind in losses if input is scores), "auto")
        return scores, labels

    def _disarm(self) -> None:
        self.armed = False
        self._closed = None
        self._named_losses.emptied()
        self._losses.emptied()
        self._forward.emptied()

    def _watcher(self, slots: _Slots, kind: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def watch(original: Callable[..., Any]) -> Callable[..., Any]:
            def loss(input: Tensor, target: Tensor, *args: Any, **kwargs: Any) -> Any:
                if self.armed and not isinstance(input, _OF_A_COMPILER):
                    slots.put((input, target, kind))
                return original(input, target, *args, **kwargs)

            return loss

        return watch

    def _after_forward(self, module: nn.Module, args: Any, output: Any) -> None:
        if self.armed:
            self._forward.put(output)


def _all_same(losses: list[Any]) -> bool:
    """Whether all loss functions were called with the same scores and labels."""
    scores, labels, _ = losses[0]
    return all(loss[0] is scores and loss[1] is labels for loss in losses)
