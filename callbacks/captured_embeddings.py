"""Catches a step's embeddings: the output of a submodule, or the input of the last linear layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from labelaudit.callbacks.step_scores import UnknownStepError
from labelaudit.errors import LabelAuditError

AUTO = "auto"


class _Tap:
    """What one module took and gave in a step. Slots that are set, not lists: a compiled step guards on a list.

    Attributes:
        wanted: whether the module is watched at all.
        both: whether its output is kept as well as its input, to find out which layer gives the scores.
    """

    def __init__(self, of_input: bool) -> None:
        self.of_input = of_input
        self.wanted, self.both = True, of_input
        self.clear()

    def clear(self) -> None:
        self.value: Any = None
        self.output: Any = None


class CapturedEmbeddings:
    """Finds a step's embeddings (n, d), without a device being waited for.

    Hooks must be there before the module's first compiled call; they only set slots. What a module is called for more
    than once in a step counts as it came last.

    Args:
        what: a submodule's name: its output. "auto": the input of the linear layer whose output is the scores, found
            in the first step; from then on only that layer is watched.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._taps: dict[str, _Tap] = {}
        self._undo: dict[str, Callable[[], None]] = {}
        self._chosen: _Tap | None = None
        self._closed: dict[str, tuple[Any, Any]] = {}
        self.armed = False

    def attach(self, module: nn.Module) -> None:
        """Watch a module.

        Raises:
            LabelAuditError: it has no submodule of that name, or "auto" finds no linear layer.
        """
        self.detach()
        named = dict(module.named_modules())
        if self._what != AUTO and self._what not in named:
            raise LabelAuditError(
                f"embeddings={self._what!r} names no submodule of {type(module).__name__}. Pass 'auto' or one of"
                f" {', '.join(name for name in named if name)[:1000]}"
            )
        linear = [name for name, part in named.items() if isinstance(part, nn.Linear)]
        if self._what == AUTO and not linear:
            raise LabelAuditError(
                f"embeddings='auto' is the input of the last linear layer, and {type(module).__name__} has none. Name"
                f" the submodule whose output to keep: one of {', '.join(name for name in named if name)[:1000]}"
            )
        for name in linear if self._what == AUTO else [self._what]:
            tap = self._taps[name] = _Tap(self._what == AUTO)
            self._undo[name] = named[name].register_forward_hook(self._watcher(tap)).remove
        self._chosen = None if self._what == AUTO else self._taps[self._what]

    def detach(self) -> None:
        """Take the hooks off."""
        for undo in self._undo.values():
            undo()
        self._undo, self._taps, self._chosen = {}, {}, None
        self._disarm()

    def begin(self) -> None:
        """A step begins whose embeddings are wanted."""
        self._disarm()
        self.armed = True

    def end_step(self) -> None:
        """The step's own part ends, backward begins. A step that is repeated on the same batch begins anew."""
        self._closed = {name: (tap.value, tap.output) for name, tap in self._taps.items()}

    def take(self, scores: Tensor, n: int) -> Tensor:
        """Embeddings (n, d) of the step that ended, detached, of a batch of n samples with these scores.

        Raises:
            LabelAuditError: they can't be told, or are not n; the message says what was found.
        """
        for name, (value, output) in self._closed.items():
            self._taps[name].value, self._taps[name].output = value, output
        if self._chosen is None:
            self._chosen = self._choose(scores)
        value = self._chosen.value
        self._disarm()
        found = _tensor(value, n)
        if found is None:
            raise UnknownStepError(
                f"embeddings={self._what!r} gave {_said(value)} in a batch of {n} samples; needed is a floating tensor"
                f" of shape ({n}, features), ({n}, positions, features) or ({n}, channels, height, width)"
            )
        with torch.no_grad():
            return flat(found.detach())

    def _disarm(self) -> None:
        self.armed = False
        self._closed = {}
        for tap in self._taps.values():
            tap.clear()

    def _choose(self, scores: Tensor) -> _Tap:
        ran = {name: tap for name, tap in self._taps.items() if isinstance(tap.output, Tensor)}
        found = [tap for tap in ran.values() if _is_same(tap.output, scores)]
        found = found or [tap for tap in ran.values() if tap.output.shape in (scores.shape, (*scores.shape, 1))]
        if len(found) != 1:
            there = ", ".join(f"{name} gave {_said(tap.output)}" for name, tap in ran.items())
            raise UnknownStepError(
                f"embeddings='auto' found {len(found)} linear layers whose output can be the scores {_said(scores)};"
                f" linear layers that ran: {there or 'none'}. Name the submodule whose output to keep:"
                " embeddings='name'"
            )
        for name, tap in self._taps.items():
            tap.both = False
            if tap is not found[0]:
                tap.wanted = False  # for a compiled step, which does not see that a hook is gone
                self._undo.pop(name)()
        self._taps = {name: tap for name, tap in self._taps.items() if tap.wanted}
        return found[0]

    def _watcher(self, tap: _Tap) -> Callable[[nn.Module, Any, Any], None]:
        def after(module: nn.Module, args: Any, output: Any) -> None:
            if self.armed and tap.wanted:
                tap.value = args[0] if tap.of_input else output
                if tap.both:
                    tap.output = output

        return after


def flat(found: Tensor) -> Tensor:
    """Return one row per sample, (n, d): the mean over positions (n, t, d) or over the places of (n, c, h, w, ...)."""
    if found.ndim == 2:
        return found
    if found.ndim == 1:
        return found[:, None]
    if found.ndim == 3:
        return found.mean(1)
    return found.flatten(2).mean(2) if found[0, 0].numel() != 1 else found.flatten(1)


def _tensor(value: Any, n: int) -> Tensor | None:
    """The tensor of n rows in a module's output: itself, or the first one in a tuple, a list or a mapping."""
    parts = (
        list(value.values()) if isinstance(value, Mapping) else value if isinstance(value, (tuple, list)) else [value]
    )
    fits = (p for p in parts if isinstance(p, Tensor) and p.is_floating_point() and p.ndim and len(p) == n)
    return next(fits, None)


def _is_same(output: Tensor, scores: Tensor) -> bool:
    """Whether two tensors are the same numbers in memory; asks no device."""
    if output is scores:
        return True
    if output.device.type == "meta" or output.numel() != scores.numel() or output.dtype != scores.dtype:
        return False
    return output.device == scores.device and output.data_ptr() == scores.data_ptr()


def _said(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__}({', '.join(map(_said, value[:8]))})"
    return "nothing" if value is None else type(value).__name__
