"""The writer of detection histories: boxes in, one file per epoch out."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.detection.store import batches, images, rows
from labelaudit.detection.store.images import TRUTH, Images
from labelaudit.detection.store.ragged import Ragged
from labelaudit.errors import LabelAuditError
from labelaudit.history.epoch_writer import EpochWriter
from labelaudit.history.given_ids import GivenIds
from labelaudit.history.manifest import Manifest, refuse_other_options
from labelaudit.history.rows import PRECISIONS, one_of, unique_names

if TYPE_CHECKING:
    import pyarrow as pa

Array = npt.NDArray[Any]
TASK = "detection"


class DetectionWriter(EpochWriter):
    """Records what a detector draws on every image, epoch by epoch, into a history on disk. Needs only NumPy.

    The ground truth is kept once, what was drawn in every epoch.

    Args:
        path: a folder (made if absent) or an fsspec URL.
        class_names: one name per label, from label 0; or {label: name}, where labels have gaps or start at 1 (other
            labels are then refused). None: labels are shown as numbers.
        sample_ids: the user's own id of every position, where images are recorded by position, (n,).
        n_samples: number of images, or {split: number}, where images are recorded by position.
        box_format: of what is recorded, "xyxy" (corners), "xywh" or "cxcywh", in pixels.
        min_score: detections below this confidence are not kept.
        max_detections: the most confident ones kept per image.
        precision: of the scores, "single", "half", or "auto": that of the history that is gone on with, else single.
            Boxes are always kept in single precision (an error below 0.001 pixels at 4,000 pixels), ground-truth boxes
            in double.
        every_n_epochs: noted in the history.
        overwrite: replace a history that is already there.
        resume: go on after the last epoch of a finished history; an unfinished one is gone on with anyway, with a
            warning where neither this nor ``start_epoch`` says so.
        start_epoch: as of `Recorder`.
        writer: which of several parallel writers this is (the rank).
        segment: number of this start, the same for all writers; None: the next free one.

    Raises:
        LabelAuditError: an option is unknown, or the folder holds something that may not be replaced.

    Example:
        >>> import tempfile
        >>> folder = tempfile.mkdtemp()
        >>> truth = [{"boxes": [[0, 0, 10, 10]], "labels": [1]}, {"boxes": [], "labels": []}]
        >>> drawn = [{"boxes": [[1, 0, 10, 9]], "scores": [0.9], "labels": [1]},
        ...          {"boxes": [], "scores": [], "labels": []}]
        >>> with DetectionWriter(folder) as writer:
        ...     for epoch in range(2):
        ...         writer.record(["a.jpg", "b.jpg"], drawn, truth)
        ...         _ = writer.end_epoch()
        >>> from labelaudit import open_history
        >>> open_history(folder).epoch(1)["scores"].to_pylist()
        [[0.8999999761581421], []]
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        class_names: Sequence[str] | Mapping[int, str] | None = None,
        sample_ids: Sequence[Any] | None = None,
        n_samples: int | Mapping[str, int | None] | None = None,
        box_format: str = "xyxy",
        min_score: float = 0.0,
        max_detections: int = 300,
        precision: str = "auto",
        every_n_epochs: int = 1,
        overwrite: bool = False,
        resume: bool = False,
        start_epoch: int | None = None,
        writer: int = 0,
        segment: int | None = None,
    ) -> None:
        one_of("box_format", box_format, ("xyxy", "xywh", "cxcywh"))
        one_of("precision", precision, ("auto", *PRECISIONS))
        if not 0 <= min_score <= 1 or max_detections < 1:
            raise LabelAuditError(
                f"expected min_score in 0 to 1 and max_detections of 1 or more, got {min_score} and {max_detections}"
            )
        self._class_names = None if not class_names else _by_label(class_names)
        length = n_samples.get("train") if isinstance(n_samples, Mapping) else n_samples
        self._format, self._min_score, self._most = box_format, min_score, max_detections
        self._precision, self._every = precision, every_n_epochs
        self._n_probabilities: int | None = None  # not known before the first detection
        self.n_dropped = 0  # detections with NaN or infinite numbers, which are not kept
        super().__init__(
            path,
            n_samples=n_samples,
            given=GivenIds(sample_ids, None, splits={"train"}, n_samples=length),
            task=TASK,
            overwrite=overwrite,
            resume=resume,
            start_epoch=start_epoch,
            writer=writer,
            segment=segment,
        )

    def record(self, image_ids: Any, detections: Any, targets: Any, *, sizes: Any = None, split: str = "train") -> None:
        """Take a batch of n images. An image that comes twice in an epoch counts as it came last.

        Args:
            image_ids: (n,) positions in the dataset, or the user's own ids (integers or strings).
            detections: (n,) dicts of arrays: boxes (m, 4), scores (m,) in 0 to 1, labels (m,), and probabilities of
                every class (m, K) if any.
            targets: (n,) dicts of the ground truth: boxes (k, 4), labels (k,), and crowd (or iscrowd) (k,) if any.
            sizes: (n, 2) width and height of each image in pixels, NaN where unknown.
            split: "train", "val", ...

        Raises:
            LabelAuditError: lengths differ, a label is out of range, a ground-truth box is NaN or turned inside out.
        """
        ids = batches.checked_ids(image_ids)
        if not len(ids):
            return
        drawn = batches.flat(detections, len(ids), rows.DRAWN, "detections")
        truth = batches.flat(targets, len(ids), TRUTH, "targets")
        self.record_flat(ids, drawn, truth, sizes=sizes, split=split)

    def record_flat(self, ids: Array, drawn: Ragged, truth: Ragged, *, sizes: Any = None, split: str = "train") -> None:
        """Take n images as flat arrays: ``drawn`` with boxes, scores, labels; ``truth`` with boxes, labels, crowd."""
        batches.refuse_other_types(drawn, "detections")
        batches.refuse_other_types(truth, "targets")
        truth = self._checked_truth(ids, truth)
        drawn = self._checked_drawn(ids, drawn)
        size = batches.checked_sizes(sizes, len(ids))
        length = self._lengths.get(split)
        if ids.dtype.kind in "iu" and length is not None:
            beyond = (ids < 0) | (ids >= length)
            if beyond.any():
                raise LabelAuditError(f"image {ids[beyond][0]} is no position in a {split} set of {length:,} images")
        self._given.check(ids, split)
        self._given.note_kind(split, text=ids.dtype.kind not in "iu")
        if self._manifest is None:
            self._begin(self._facts(ids))
        self._open.setdefault(split, rows.OpenDetections()).add(ids, drawn, truth, size)

    @property
    def _stored(self) -> str:
        """Precision of the stored scores."""
        return "single" if self._precision == "auto" else self._precision

    @property
    def _left_out(self) -> dict[str, Any]:
        """The options that say which detections are not kept."""
        return {"min_score": float(self._min_score), "max_detections": int(self._most)}

    def _facts(self, ids: Array) -> Manifest:
        names = self._class_names
        return Manifest(
            task=TASK,
            n_classes=len(names or ()),
            class_names=None if names is None else list(names.values()),
            keep="detections",
            precision=self._stored,
            scores_are="probabilities",
            keys="position" if ids.dtype.kind in "iu" and any(self._lengths.values()) else "id",
            every_n_epochs=self._every,
            class_labels=None if names is None else list(names),
            left_out=self._left_out,
        )

    def _checked_truth(self, ids: Array, truth: Ragged) -> Ragged:
        boxes = batches.corners(truth.columns["boxes"], self._format)
        found = Ragged(
            truth.counts,
            {
                "boxes": boxes,
                "labels": self._class_numbers(truth, ids, "targets"),
                "crowd": truth.columns["crowd"].astype(bool),
            },
        )
        batches.refuse_bad_truth(found, ids, self._format)
        return found

    def _checked_drawn(self, ids: Array, drawn: Ragged) -> Ragged:
        scores = drawn.columns["scores"].astype(np.float32)
        outside = (scores < 0) | (scores > 1)
        if outside.any():
            one = int(outside.argmax())
            raise LabelAuditError(
                f"a detection on image {ids[drawn.row_of[one]]} has score {scores[one]:.4g}; expected confidences in 0 "
                "to 1 (after softmax or sigmoid)"
            )
        boxes = batches.corners(drawn.columns["boxes"], self._format).astype(np.float32)
        labels = self._class_numbers(drawn, ids, "detections")
        whole = np.isfinite(scores) & np.isfinite(boxes).all(axis=1)
        self.n_dropped += int((~whole).sum())
        found = Ragged(drawn.counts, {"boxes": boxes, "scores": scores, "labels": labels} | self._every_class(drawn))
        found = found.keep(whole & (scores >= self._min_score))
        found = _most_confident(found, self._most)
        return Ragged(
            found.counts, found.columns | {"scores": found.columns["scores"].astype(PRECISIONS[self._stored])}
        )

    def _every_class(self, drawn: Ragged) -> dict[str, Array]:
        """Return the probabilities of every class, {} or {"probabilities": (total, K)}, always the one or the other."""
        column = drawn.columns.get(batches.PROBABILITIES)
        if not drawn.total and column is None and self._n_probabilities:
            column = np.empty((0, self._n_probabilities))
        width = 0 if column is None else column.shape[1]
        names = len(self._class_names or ()) or width
        if width and width != names:
            raise LabelAuditError(f"detections have probabilities of {width} classes, class_names has {names}")
        if drawn.total and self._n_probabilities not in (None, width):
            raise LabelAuditError("some detections have probabilities of every class and others have none, or fewer")
        if drawn.total:
            self._n_probabilities = width
        return {} if column is None else {batches.PROBABILITIES: column.astype(PRECISIONS[self._stored])}

    def _class_numbers(self, table: Ragged, ids: Array, what: str) -> Array:
        """Return the labels as class numbers from 0, (total,) int32."""
        raw = table.columns["labels"]
        labels = raw.astype(np.int64)
        if raw.dtype.kind == "f" and not np.array_equal(labels, raw):
            raise LabelAuditError(f"{what} have labels of type {raw.dtype} that are no whole numbers (first: {raw[0]})")
        known = None if self._class_names is None else np.array(list(self._class_names), np.int64)
        place = labels if known is None else np.minimum(np.searchsorted(known, labels), len(known) - 1)
        bad = labels < 0 if known is None else known[place] != labels
        if bad.any():
            one = int(bad.argmax())
            have = "" if known is None else f" class_names names labels {known[0]} to {known[-1]}."
            raise LabelAuditError(
                f"{what} of image {ids[table.row_of[one]]} have label {labels[one]}, which is no class.{have} Where "
                "labels start at 1 or have gaps, pass class_names={1: 'name', ...}"
            )
        return place.astype(np.int32)

    def _read_samples(self, split: str) -> Images:
        return images.read(self._folder, split)

    def _going_on(self, before: Manifest) -> Manifest:
        names = self._class_names
        if names is not None and (list(names.values()), list(names)) != (before.class_names, before.class_labels):
            raise LabelAuditError(
                f"{self._folder.url} was recorded with class_names {before.class_names}, and this run, which goes on "
                f"with it, has {list(names.values())}. Pass class_names= as it was, name another folder, or pass "
                "overwrite=True"
            )
        asked = before.precision if self._precision == "auto" else self._precision
        refuse_other_options(before, {"precision": asked, **self._left_out}, self._folder.url)
        self._precision = asked
        if names is None and before.class_names is not None:
            self._class_names = dict(zip(before.class_labels or (), before.class_names, strict=True))
        return before

    def _known_rows(self, known: Images, seen: Images, split: str) -> npt.NDArray[np.bool_]:
        return images.known_rows(known, seen, f"{self._folder.url}, {split}")

    def _join_samples(self, known: Images, fresh: Images) -> Images:
        return images.merge([known, fresh], self._folder.url)

    def _waiting_rows(self, part: pa.Table, presented: int) -> rows.OpenDetections:
        return rows.waiting_rows(part, presented)


def _by_label(names: Sequence[str] | Mapping[int, str]) -> dict[int, str]:
    """Return the name of each label, in the labels' order."""
    pairs = sorted(names.items() if isinstance(names, Mapping) else enumerate(names))
    return dict(zip((int(label) for label, _ in pairs), unique_names([name for _, name in pairs]), strict=True))


def _most_confident(drawn: Ragged, most: int) -> Ragged:
    """Return at most ``most`` entries of each row, those of the highest score; their order stays."""
    if drawn.counts.max(initial=0) <= most:
        return drawn
    order = np.lexsort((-drawn.columns["scores"], drawn.row_of))
    starts = np.cumsum(drawn.counts) - drawn.counts
    rank = np.empty(drawn.total, np.int64)
    rank[order] = np.arange(drawn.total) - np.repeat(starts, drawn.counts)
    return drawn.keep(rank < most)
