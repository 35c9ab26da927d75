"""A history of detections, opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from labelaudit.detection.boxes import Detections, Objects
from labelaudit.detection.store.batches import PROBABILITIES
from labelaudit.detection.store.images import Images, refuse_changed
from labelaudit.detection.store.ragged import Ragged
from labelaudit.detection.store.run import DetectionRun
from labelaudit.errors import LabelAuditError
from labelaudit.history.blocks import Block
from labelaudit.history.history import History
from labelaudit.history.part import EpochPart
from labelaudit.history.runs import Run

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]


class DetectionHistory(History):
    """What a detector drew on every image in every epoch. Made by `open_history`; samples are images.

    What is about scores of classes (``labels``, ``mean_scores``, ``blocks``) raises `LabelAuditError`.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        self._detecting = [run for run in runs if isinstance(run, DetectionRun)]
        self._of_runs: dict[str, list[Array]] = {}  # split -> row in the first run's table of each run's images
        super().__init__(runs)

    def __repr__(self) -> str:
        runs = f", {len(self.runs_read)} runs" if len(self.runs_read) > 1 else ""
        boxes = self.table().truth.total
        return (
            f"DetectionHistory({self.path!r}: {self.n_samples:,} images, {boxes:,} boxes, {self.n_epochs} epochs{runs})"
        )

    @property
    def splits(self) -> tuple[str, ...]:
        """Recorded splits, "train" first; all runs of a detector share their images."""
        return self.runs_read[0].splits

    @cached_property
    def n_classes(self) -> int:
        """Number of classes; where no names were given, those up to the largest label that was ever seen."""
        named = super().n_classes
        if named:
            return named
        largest = -1
        for split in self.splits:
            largest = max(largest, int(self.table(split).truth.columns["labels"].max(initial=-1)))
            for _, drawn in self.iterate(split=split):
                largest = max(largest, int(drawn.category.max(initial=-1)))
        return largest + 1

    @property
    def category_ids(self) -> list[int]:
        """What the user calls class 0, 1, ... as a number."""
        return self.runs_read[0].manifest.class_labels or list(range(self.n_classes))

    def table(self, split: str | None = None) -> Images:
        """Return a split's images with their ground truth, in dataset order."""
        chosen = self._split(split)
        self._rows_of_runs(chosen)
        return self._detecting[0].samples(chosen)

    def objects(self, split: str | None = None) -> Objects:
        """Return the ground-truth boxes; image numbers are rows of `table`."""
        truth = self.table(split).truth
        boxes = truth.columns
        image = truth.row_of.astype(np.int32)
        return Objects(image, boxes["labels"], boxes["boxes"], boxes["crowd"], np.arange(truth.total))

    def image_sizes(self, split: str | None = None) -> Array:
        """Return (images, 2) width and height in pixels, NaN where unknown."""
        return self.table(split).size

    def detections(self, epoch: int, *, split: str | None = None, run: int = 0) -> Detections:
        """Return what was drawn in one epoch; image numbers are rows of `table`.

        Raises:
            LabelAuditError: the epoch was not recorded, or its file is damaged.
        """
        rows, drawn = self._drawn(epoch, split, run)
        image = np.repeat(rows, drawn.counts)
        columns = drawn.columns
        every = columns.get(PROBABILITIES)
        arrays = (columns["labels"], columns["boxes"], columns["scores"], every)
        if run:
            return Detections.of(image, *arrays)
        labels, boxes, scores, _ = arrays  # ascending already
        every = None if every is None else every.astype(np.float64)
        return Detections(image.astype(np.int32), labels, boxes.astype(np.float64), scores.astype(np.float64), every)

    def iterate(
        self, *, split: str | None = None, epochs: Iterable[int] | None = None
    ) -> Iterator[tuple[int, Detections]]:
        """Stream (epoch, detections) in the order of training; several runs take turns, epoch by epoch."""
        chosen = self._split(split)
        wanted = None if epochs is None else set(epochs)
        steps = [(epoch, run) for run, one in enumerate(self.runs_read) for epoch in one.epochs(chosen)]
        for epoch, run in sorted(steps):
            if wanted is None or epoch in wanted:
                yield epoch, self.detections(epoch, split=chosen, run=run)

    def epoch(self, number: int, *, split: str | None = None, run: int = 0) -> pa.Table:
        """Return one epoch, one row per image seen in it.

        Columns: sample_id; boxes (lists of x1, y1, x2, y2 in pixels), scores and labels of what was drawn, and
        probabilities where they were recorded; given_boxes, given_labels and crowd of the ground truth.

        Raises:
            LabelAuditError: the epoch was not recorded, or its file is damaged.
        """
        rows, drawn = self._drawn(number, split, run)
        truth = self.table(split).truth.take(rows).arrow()
        given = {"given_boxes": truth["boxes"], "given_labels": truth["labels"], "crowd": truth["crowd"]}
        return pa.table({"sample_id": self.ids(split)[rows].tolist()} | drawn.arrow() | given)

    def to_pandas(self, *, split: str | None = None, max_bytes: int | None = None) -> pd.DataFrame:
        """Return all detections as one long table: image_id, category, x, y, w, h, score, epoch, run.

        Args:
            split: which split.
            max_bytes: refuse a larger table; default: 2 GiB.

        Raises:
            LabelAuditError: it would be larger.
        """
        import pandas as pd

        chosen, limit, size = self._split(split), max_bytes or 2 * 2**30, 0
        frames = []
        for number, run in enumerate(self.runs_read):
            for epoch in run.epochs(chosen):
                drawn = self.detections(epoch, split=chosen, run=number)
                frames.append(self._frame(drawn, chosen).assign(score=drawn.score, epoch=epoch, run=number))
                size += 80 * len(drawn)
                if size > limit:
                    raise LabelAuditError(
                        f"the long table would take more than {limit / 2**20:,.0f} MiB. Read epoch by epoch with "
                        "history.epoch(i), or pass max_bytes="
                    )
        return pd.concat(frames, ignore_index=True)

    def ground_truth(self, split: str | None = None) -> pd.DataFrame:
        """Return the ground-truth boxes as a table: image_id, category, x, y, w, h, iscrowd."""
        objects = self.objects(split)
        return self._frame(objects, split).assign(iscrowd=objects.crowd)

    def _frame(self, boxes: Objects | Detections, split: str | None) -> pd.DataFrame:
        import pandas as pd

        names = np.array(self.class_names or self.category_ids or [0], dtype=object)
        low, size = boxes.box[:, :2], boxes.box[:, 2:] - boxes.box[:, :2]
        return pd.DataFrame(
            {
                "image_id": self.ids(split)[boxes.image],
                "category": names[boxes.category] if len(boxes) else np.empty(0, object),
                "x": low[:, 0],
                "y": low[:, 1],
                "w": size[:, 0],
                "h": size[:, 1],
            }
        ).infer_objects()

    def _drawn(self, epoch: int, split: str | None, run: int) -> tuple[Array, Ragged]:
        chosen = self._split(split)
        known = self.runs_read[run].epochs(chosen)
        if epoch not in known:
            raise LabelAuditError(f"epoch {epoch} is not in {self.path}; recorded: {', '.join(map(str, known))}")
        rows, drawn = self._detecting[run].drawn(chosen, epoch)
        return self._rows_of_runs(chosen)[run][rows], drawn

    def _rows_of_runs(self, split: str) -> list[Array]:
        """Return for each run the rows of its images in the first run's table, (n,)."""
        if split not in self._of_runs:
            first = self._detecting[0].samples(split)
            found = [np.arange(len(first))]
            for run in self._detecting[1:]:
                table = run.samples(split)
                found.append(_same_images(first, table, self._detecting[0].url, run.url))
            self._of_runs[split] = found
        return self._of_runs[split]

    # What an image has not

    @property
    def labels(self) -> NoReturn:
        """Refuse: a box has a label, an image has none."""
        self._refuse("labels", "history.objects() has the ground-truth boxes")

    @property
    def true_labels(self) -> None:
        """None: no mistakes are planted in boxes here."""
        return

    def blocks(
        self, split: str | None = None, epochs: Iterable[int] | None = None, rows: tuple[int, int] | None = None
    ) -> Iterator[Block]:
        """Refuse: there are no scores of classes."""
        self._refuse("blocks()", "history.iterate() streams the detections")

    def open_epoch(self, number: int, *, split: str | None = None, run: int = 0) -> EpochPart:
        """Refuse: there are no scores of classes."""
        self._refuse("open_epoch()", "history.detections(epoch) has the detections")

    def mean_scores(self, *, split: str | None = None, epochs: Iterable[int] | None = None) -> Array:
        """Refuse: there are no scores of classes."""
        self._refuse("mean_scores()", "labelaudit.audit(history) has the average over epochs of each box")

    def _refuse(self, what: str, instead: str) -> NoReturn:
        raise LabelAuditError(f"{what} is about classification, and {self.path} is a history of detections: {instead}")


def _same_images(first: Images, table: Images, first_url: str, url: str) -> Array:
    """Return the rows of a run's images in the first run's table, (n,)."""
    import pandas as pd

    ours = pd.Index(first.keys if first.ids is None else first.ids)
    rows = ours.get_indexer(pd.Index(table.keys if table.ids is None else table.ids))
    if (rows < 0).any() or len(rows) != len(ours):
        raise LabelAuditError(
            f"{url} has {len(table):,} images and {first_url} {len(first):,}, and they are not the same ones: runs of "
            "one audit share images"
        )
    refuse_changed(first.take(rows), table, url)
    return np.asarray(rows, np.int64)


RUN, HISTORY = DetectionRun, DetectionHistory
