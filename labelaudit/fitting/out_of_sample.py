"""What the models that never saw an image said of it: votes, their share with its Wilson bound, mean probability."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.analyzers.accumulator import accumulate
from labelaudit.analyzers.mean_scores import chunks
from labelaudit.analyzers.slices import wilson_interval
from labelaudit.auditing.evidence import Evidence
from labelaudit.auditing.window import plan
from labelaudit.errors import LabelAuditError
from labelaudit.history import History, open_history
from labelaudit.history.restricted_pickle import load_plain
from labelaudit.history.runs import HeldOutRun

Array = npt.NDArray[Any]
HELD_OUT = "val"  # under this name PredictionRecorder records what a run holds out


@dataclass
class OutOfSample:
    """Predictions of models that were not trained on the image.

    Attributes:
        votes: (V, n) class predicted by each model, -1 where it was trained on the image.
        probabilities: (n, 2) mean probability of the class asked for and of the given label, NaN where there is none.
        asked: (n,) the class asked for.
    """

    votes: Array
    probabilities: Array
    asked: Array

    @property
    def num_preds(self) -> Array:
        """How many models predicted the image, (n,)."""
        return (self.votes >= 0).sum(axis=0)

    def share(self) -> Array:
        """Return the share of the votes for the class asked for, (n,), NaN where there are none."""
        with np.errstate(invalid="ignore"):
            found: Array = (self.votes == self.asked).sum(axis=0) / np.where(self.num_preds > 0, self.num_preds, np.nan)
        return found

    def lowest_share(self) -> Array:
        """Return the lower end of the share's 95 % interval (Wilson, 1927), (n,): one vote of one proves little."""
        return wilson_low((self.votes == self.asked).sum(axis=0), self.num_preds)

    def most_voted(self) -> tuple[Array, Array]:
        """Return the most voted class, (n,), -1 where there are no votes, and its share; of equals the lower number."""
        ordered = np.sort(self.votes, axis=0)
        best, count = np.full(ordered.shape[1], -1), np.zeros(ordered.shape[1], np.int64)
        run = np.zeros(ordered.shape[1], np.int64)
        for row, votes in enumerate(ordered):
            same = (votes == ordered[row - 1]) if row else np.zeros(len(votes), bool)
            run = np.where(same, run + 1, 1)
            better = (votes >= 0) & (run > count)
            best, count = np.where(better, votes, best), np.where(better, run, count)
        with np.errstate(invalid="ignore"):
            return best, count / np.where(self.num_preds > 0, self.num_preds, np.nan)


def wilson_low(hits: Array, n: Array) -> Array:
    """Return the lower end of the Wilson score interval of shares; NaN where n is 0.

    >>> wilson_low(np.array([3, 1]), np.array([4, 1])).round(4).tolist()
    [0.3006, 0.2065]
    """
    return np.where(n > 0, wilson_interval(hits, n)[0], np.nan)


def votes_of(histories: Sequence[Path], epochs: Sequence[int], ids: Sequence[str]) -> Array:
    """Return (R, n) class that each repeat's model predicted of each image it held out, -1 elsewhere.

    Args:
        histories: one per repeat.
        epochs: of each, the epoch that counts.
        ids: (n,) ids of the images.
    """
    import pandas as pd

    index = pd.Index([str(one) for one in ids])
    votes = np.full((len(histories), len(index)), -1, np.int32)
    for row, (folder, epoch) in enumerate(zip(histories, epochs, strict=True)):
        history = open_history(folder)
        if HELD_OUT not in history.splits:
            continue
        table = history.epoch(epoch, split=HELD_OUT)
        where = index.get_indexer(pd.Index([str(one) for one in table["sample_id"].to_pylist()]))
        votes[row, where] = table["prediction"].to_numpy()
    return votes


def probabilities_of(history: History, ids: Sequence[str], asked: Array, given: Array) -> Array:
    """Return (n, 2) mean out-of-sample probability of the class asked for and of the given label.

    The mean is over models and the second half of their epochs; NaN where no model held the image out.
    """
    import pandas as pd

    found = np.full((len(ids), 2), np.nan)
    held = [run for run in history.runs_read if isinstance(run, HeldOutRun)]
    if not held:
        return found
    alone = History(held)
    (evidence,) = accumulate(alone, [partial(Evidence, uses=plan(alone).uses)])
    assert isinstance(evidence, Evidence)
    whole = evidence.averages()[0]
    where = pd.Index([str(one) for one in ids]).get_indexer(pd.Index([str(one) for one in alone.sample_ids]))
    for here in chunks(len(where), alone.n_classes):
        p, rows = whole.of(here), where[here]
        columns = np.arange(len(rows))
        found[rows] = np.stack([p[asked[rows], columns], p[given[rows], columns]], axis=1)
    return found


def votes_of_tracker(file: str, ids: Sequence[str], class_names: Sequence[str], given: Array) -> Array:
    """Return (V, n) votes from a prediction tracker of auto-correct-labels, -1 where there are none.

    The file is a pickle ``{file name: {"label": label, "corrected_label": [predicted, ...]}}``. It is read as plain
    data: whatever else it asks for is refused. A file name belongs to the image whose id it ends in.

    Raises:
        LabelAuditError: it is no such pickle, knows none of the images, or was made with other labels.
    """
    path = Path(file)
    if not path.is_file():
        raise LabelAuditError(f"pred_tracker: there is no file {path}")
    tracker = load_plain(path)
    if not isinstance(tracker, Mapping) or not all(
        isinstance(entry, Mapping) and isinstance(entry.get("corrected_label"), (list, tuple))
        for entry in tracker.values()
    ):
        raise LabelAuditError(
            f"pred_tracker: {path} is no tracker of auto-correct-labels; expected a dict of file names with "
            "'label' and a list 'corrected_label'"
        )
    number = {name: k for k, name in enumerate(class_names)}
    position = {name: i for i, name in enumerate(ids)}
    longest = max((len(entry["corrected_label"]) for entry in tracker.values()), default=0)
    votes = np.full((longest, len(ids)), -1, np.int32)
    known = 0
    for name, entry in tracker.items():
        i = _position(str(name), position)
        if i is None:
            continue
        known += 1
        if str(entry.get("label")) != class_names[given[i]]:
            raise LabelAuditError(
                f"pred_tracker: {path} has {name} as {entry.get('label')!r}, here it is {class_names[given[i]]!r}: it "
                "was made with other labels"
            )
        of_image = [number.get(str(label), -1) for label in entry["corrected_label"]]
        votes[: len(of_image), i] = of_image
    if tracker and not known:
        raise LabelAuditError(f"pred_tracker: {path} knows none of the images (it has {next(iter(tracker))!r}, ...)")
    return votes


def _position(name: str, position: Mapping[str, int]) -> int | None:
    """Return the image whose id a path is or ends in."""
    parts = name.replace("\\", "/").split("/")
    return next((position[tail] for k in range(len(parts)) if (tail := "/".join(parts[k:])) in position), None)
