"""What is said before the training and while it goes on."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
from tqdm import tqdm

from labelaudit.fitting.config import FitConfig
from labelaudit.fitting.image_list import ImageList
from labelaudit.fitting.splits import Split

SHOWN = 3


def coverage(splits: Sequence[Split], n: int) -> float:
    """Return the share of the images that some repeat does not train on, 0 to 1."""
    seen = np.zeros(n, bool)
    for split in splits:
        seen[split.held_out] = True
        seen[split.val] = True
    return float(seen.mean())


def plan_text(config: FitConfig, images: ImageList, how: str, splits: Sequence[Split], done: int) -> str:
    """Return the plan, a few lines of at most 80 columns (paths and notes may be longer)."""
    n, train, held = len(images), len(splits[0].train), len(splits[0].held_out)
    counts = np.bincount(images.labels)
    lines = [
        f"{n:,} images of {len(images.class_names):,} classes ({counts.min():,} to {counts.max():,} images each)",
        f"  {how}",
    ]
    if images.unreadable:
        lines.append(
            f"  {len(images.unreadable):,} cannot be read and are left out: {config.folder / 'unreadable.csv'}"
        )
    lines += [f"  note: {note}" for note in images.notes]
    if (counts == 1).any():
        single = [images.class_names[k] for k in np.flatnonzero(counts == 1)]
        shown = ", ".join(single[:SHOWN]) + (", ..." if len(single) > SHOWN else "")
        lines.append(f"  note: a single image is never held out: class {shown}")
    lines += [
        f"{config.model_name}: {config.n_repeats} x {config.num_epochs} epochs, seed {config.seed}"
        + (f" ({done} of {config.n_repeats} done before)" if done else ""),
        f"  each trains on {train:,} images and predicts {held:,} that it never sees ({config.splits})",
        f"  {_percent(coverage(splits, n))} of the images get a prediction by a model that never saw them",
    ]
    return "\n".join(lines)


def _percent(share: float) -> str:
    """Return a share in per cent; nothing short of all is called 100%."""
    return f"{share:.0%}" if share == 1 or share < 0.99 else f"{min(share, 0.9999):.2%}"


def duration(seconds: float) -> str:
    """Return a time as a person says it.

    >>> duration(0.25), duration(8.2), duration(95), duration(7260)
    ('0.2 s', '8 s', '1 min 35 s', '2 h 1 min')
    """
    if seconds < 2:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


class Progress:
    """Bars on a terminal, lines elsewhere, and the estimated time after the first epoch.

    Args:
        shown: say anything at all.
        n_repeats: of the whole run.
        num_epochs: of each repeat.
    """

    def __init__(self, shown: bool, n_repeats: int, num_epochs: int) -> None:
        self._shown, self._bars = shown, shown and sys.stderr.isatty()
        self._n_repeats, self._num_epochs = n_repeats, num_epochs
        self._bar: Any = None
        self._estimated = False
        self._repeat = 0

    def say(self, text: str) -> None:
        """Print a text to standard error, above the bar."""
        if self._bars:
            tqdm.write(text, file=sys.stderr)
        elif self._shown:
            print(text, file=sys.stderr)

    def begin(self, repeat: int, batches: int) -> None:
        """Start the bar of a repeat."""
        self._repeat, self._since = repeat, time.perf_counter()
        if self._bars:
            self._bar = tqdm(
                total=batches,
                desc=f"repeat {repeat + 1}/{self._n_repeats}",
                unit="batch",
                dynamic_ncols=True,
                leave=False,
                file=sys.stderr,
            )

    def batch(self) -> None:
        """One batch more."""
        if self._bar is not None:
            self._bar.update()

    def epoch(self, number: int, seconds: float) -> None:
        """After an epoch."""
        if self._bar is not None:
            self._bar.set_postfix_str(f"epoch {number + 1}/{self._num_epochs}")
        if not self._estimated:
            self._estimated = True
            left = (self._n_repeats - self._repeat) * self._num_epochs - number - 1
            if left > 0:
                self.say(f"An epoch takes {duration(seconds)}; {left} are left: about {duration(left * seconds)}.")

    def accuracy(self, number: int, train: float, val: float) -> None:
        """After an epoch with track_eval."""
        self.say(
            f"repeat {self._repeat + 1}, epoch {number + 1}: accuracy {train:.3f} in training, {val:.3f} on validation"
        )

    def end(self) -> None:
        """End the bar of a repeat."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self.say(f"Repeat {self._repeat + 1} of {self._n_repeats}: {duration(time.perf_counter() - self._since)}")
