"""What the review page shows and does, without the web: the queue, the decisions, the estimates."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.auditing.result import Audit
from labelaudit.errors import LabelAuditError
from labelaudit.history import History
from labelaudit.history.rows import one_of
from labelaudit.report.curves import curves_of_audit
from labelaudit.report.media import Media
from labelaudit.report.records import is_missing, sample_records, worst_first
from labelaudit.report.thumbnails import thumbnail, value_range
from labelaudit.reviewing.decision_log import DecisionLog, header_of
from labelaudit.reviewing.decisions import Decision, combined, verdict
from labelaudit.reviewing.estimate import estimate

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
CHUNK = 500  # samples whose curves are read at once
BATCH = 24  # look-alikes on one page
IMAGE_SIDE = 512  # pixels
NO_WORDS: Mapping[Any, Decision] = {}


class StaleError(LabelAuditError):
    """A decision on what its page no longer shows as it is; it was not written.

    Args:
        why: what has happened meanwhile.
        ranks: samples on which the reviewer has decided since.
    """

    def __init__(self, why: str, ranks: list[int]) -> None:
        super().__init__(why)
        self.ranks = ranks


class ReviewSession:
    """One audit under review. Samples are known by their rank: 0 is the most suspicious.

    Args:
        audit: the audit.
        log: where decisions go.
        media: images, texts and rows of the samples.
        history: for the curves over the epochs; None shows none.
        order: (n,) positions of the samples in the table, rank 0 first; default: the lowest label_quality first.

    Attributes:
        actions: what `decide_by_id` takes.
    """

    actions: tuple[str, ...] = ("relabel", "keep", "remove", "unsure")

    def __init__(
        self, audit: Audit, log: DecisionLog, media: Media, history: History | None = None, order: Array | None = None
    ) -> None:
        self.log, self._audit, self._media, self._history = log, audit, media, history
        self._lock = threading.RLock()
        self._order = worst_first(audit) if order is None else order
        table = audit.samples.iloc[self._order]
        self._ids: list[Any] = table.index.tolist()
        self._rank = {sample: rank for rank, sample in enumerate(self._ids)}
        self._given: list[Any] = table["given_label"].tolist()
        self._suggested: list[Any] = table["suggested_label"].tolist()
        self._flagged = table["is_label_issue"].to_numpy(bool)
        self._n_flagged = int(self._flagged.sum())
        self.labels: list[Any] = audit.noise_matrix.index.tolist()
        self._curves: dict[int, list[dict[str, Any]]] = {}
        self._scale = None if media.images is None else value_range(media.images)

    def view(self, reviewer: str) -> dict[str, Any]:
        """Return all that the page shows: the next sample, progress, estimates, look-alikes, reviewers."""
        with self._lock:
            mine = self._mine(reviewer)
            undecided = np.ones(len(self._ids), bool)
            undecided[[self._rank[sample] for sample in mine if sample in self._rank]] = False
            first = int(undecided.argmax()) if undecided.any() else None
            coming = (
                [] if first is None else (np.flatnonzero(undecided[first + 1 : first + 100])[:2] + first + 1).tolist()
            )
            return {
                "sample": None if first is None else self._record(first, mine),
                "coming": [] if self._media.images is None else [f"/image/{rank}" for rank in coming],
                "labels": [str(label) for label in self.labels],
                "n_samples": len(self._ids),
                "n_flagged": self._n_flagged,
                "n_decided": len(mine),
                "n_flagged_decided": int((~undecided & self._flagged).sum()),
                "actions": Counter(decision.action for decision in mine.values()),
                "estimate": self._estimate().to_dict(),
                "pairs": self._pairs(undecided),
                "reviewers": {name: len(words) for name, words in self.log.words.current.items() if words},
                "n_disputed": len(self._disputed()),
                "undoes": self._last_step(reviewer),
            }

    def decide(
        self,
        reviewer: str,
        ranks: Sequence[int],
        action: str,
        label: int | None = None,
        *,
        seen: Sequence[int | None] | None = None,
    ) -> None:
        """Write a decision on one sample, or the same on several.

        Args:
            reviewer: a name.
            ranks: of the samples.
            action: "accept" the suggestion, "choose" another class, "keep", "remove" or "unsure".
            label: number of the class, for "choose".
            seen: ``step`` of each sample as the page showed it; None replaces whatever the reviewer said before.

        Raises:
            StaleError: the reviewer has decided on one of them since.
        """
        with self._lock:
            samples = self._chosen(ranks)
            if seen is not None:
                self._check_seen(reviewer, ranks, seen)
            self._decide(_name(reviewer), ranks, samples, action, label)

    def _decide(
        self, name: str, ranks: Sequence[int], samples: Sequence[tuple[Any, Any]], action: str, label: int | None
    ) -> None:
        if action == "accept":
            self.log.decide(name, samples, "relabel", self._one_suggestion(ranks))
        elif action == "choose":
            chosen = self._class(label)
            same = {given == chosen for _, given in samples}
            if len(same) > 1:
                raise LabelAuditError("some of these samples have that label already")
            if same == {True}:
                self.log.decide(name, samples, "keep")
            else:
                self.log.decide(name, samples, "relabel", chosen)
        else:
            one_of("action", action, ("accept", "choose", "keep", "remove", "unsure"))
            self.log.decide(name, samples, action)

    def _one_suggestion(self, ranks: Sequence[int]) -> Any:
        suggested = {self._suggested[rank] for rank in ranks}
        if len(suggested) != 1 or is_missing(next(iter(suggested))):
            raise LabelAuditError("there is no suggestion to accept")
        return next(iter(suggested))

    def _class(self, number: int | None) -> Any:
        if number is None or not 0 <= number < len(self.labels):
            raise LabelAuditError(f"no class has number {number}")
        return self.labels[number]

    def _check_seen(self, reviewer: str, ranks: Sequence[int], seen: Sequence[int | None]) -> None:
        if len(seen) != len(ranks):
            raise LabelAuditError(f"seen has {len(seen)} entries for {len(ranks)} samples; expected one for each")
        mine = self._mine(reviewer)
        since = [rank for rank, step in zip(ranks, seen, strict=True) if self._step(rank, mine) not in (None, step)]
        if since:
            which = "this sample" if len(ranks) == 1 else f"{len(since)} of these {len(ranks)} samples"
            raise StaleError(f"You decided on {which} in another window. What you just chose is not saved.", since)

    def _chosen(self, ranks: Sequence[int]) -> list[tuple[Any, Any]]:
        """Return (id, given label) of samples."""
        if not ranks or len(set(ranks)) < len(ranks) or any(not 0 <= rank < len(self._ids) for rank in ranks):
            raise LabelAuditError("expected ranks of samples, each once")
        return [(self._ids[rank], self._given[rank]) for rank in ranks]

    def decide_by_id(self, sample: Any, action: str, label: Any, reviewer: str) -> None:
        """Write a decision on the sample with an id; action is one of `actions`. A class that is given is kept."""
        with self._lock:
            one_of("action", action, self.actions)
            if sample not in self._rank:
                raise LabelAuditError(f"the audit has no sample {sample!r}")
            rank = self._rank[sample]
            if is_missing(label):
                label = None
            else:
                of_text = {str(one): one for one in self.labels}
                if str(label) not in of_text:
                    raise LabelAuditError(f"there is no class {label!r}; the classes are {_listed(self.labels)}")
                label = of_text[str(label)]  # Python's own, where NumPy's was passed, or a number as text
            if action == "relabel" and label is not None and label == self._given[rank]:
                action, label = "keep", None
            self.log.decide(_name(reviewer), [(self._ids[rank], self._given[rank])], action, label)

    def undo(self, reviewer: str, *, seen: int | None = None) -> int:
        """Take back the reviewer's last step; return how many samples it was on.

        Args:
            reviewer: a name.
            seen: ``undoes`` of the view that the page showed; None takes back whatever was last.

        Raises:
            StaleError: the reviewer's last step is another one by now.
        """
        with self._lock:
            last = self._last_step(reviewer)
            if None not in (seen, last) and seen != last:
                ranks = [self._rank[sample] for sample in self.log.words.last_step(_trimmed(reviewer))]
                raise StaleError("Your last decision is one of another window. It is not taken back yet.", ranks)
            return len(self.log.undo(_trimmed(reviewer)))

    def decided(self, reviewer: str, ranks: Sequence[int]) -> list[dict[str, Any]]:
        """Return samples that a reviewer has decided on, at most `BATCH`, with the word on each."""
        with self._lock:
            mine = self._mine(reviewer)
            there = [rank for rank in ranks if self._step(rank, mine) is not None]
            return [
                {"sample": self._record(rank, mine), "words": [_said(mine[self._ids[rank]])]} for rank in there[:BATCH]
            ]

    def lookalikes(self, reviewer: str, given: str, suggested: str, kind: str = "") -> list[dict[str, Any]]:
        """Return the worst undecided flagged samples of one class pair and kind, at most `BATCH`."""
        with self._lock:
            mine, (pairs, of_rank) = self._mine(reviewer), self._pairs_of_flagged
            if (given, suggested, kind) not in pairs:
                return []
            alike = np.flatnonzero(of_rank == pairs.index((given, suggested, kind))).tolist()
            open_ones = (rank for rank in alike if self._ids[rank] not in mine)
            return [self._record(rank, mine) for rank in islice(open_ones, BATCH)]

    def disagreements(self, reviewer: str) -> list[dict[str, Any]]:
        """Return the samples on which two sure reviewers differ, with the word of each; whoever asks may be a third."""
        with self._lock:
            mine = self._mine(reviewer)
            return [
                {"sample": self._record(self._rank[sample], mine), "words": [_said(one) for one in words]}
                for sample, words in self._disputed()[:100]
            ]

    def table(self) -> pd.DataFrame:
        """Return the decisions so far, as `load_decisions` does."""
        with self._lock:
            words = {sample: {one.reviewer: one for one in said} for sample, said in self._words().items()}
            return combined(words, header_of(self._audit))

    def image(self, rank: int) -> tuple[bytes, str] | None:
        """Return (bytes, media type) of a sample's image; None where it has none, or none that is readable."""
        if not 0 <= rank < len(self._ids):
            return None
        try:
            image = self._media.image(int(self._order[rank]))
            return None if image is None else thumbnail(image, side=IMAGE_SIDE, scale=self._scale)
        except (OSError, ValueError, TypeError, SyntaxError, Warning):  # Pillow's, for damaged files
            return None

    def _mine(self, reviewer: str) -> dict[Any, Decision]:
        return self.log.words.current.get(_trimmed(reviewer), {})

    def _step(self, rank: int, mine: Mapping[Any, Decision]) -> int | None:
        """Return which step a reviewer's present word on a sample is of; None where there is no word."""
        decision = mine.get(self._ids[rank])
        return None if decision is None else decision.step

    def _last_step(self, reviewer: str) -> int | None:
        samples = self.log.words.last_step(_trimmed(reviewer))
        return self._mine(reviewer)[samples[0]].step if samples else None

    def _record(self, rank: int, mine: Mapping[Any, Decision] = NO_WORDS) -> dict[str, Any]:
        start = rank - rank % CHUNK
        if start not in self._curves:
            self._curves[start] = self._chunk(start)
        record = dict(self._curves[start][rank - start], rank=rank, step=self._step(rank, mine))
        if self._media.images is not None:
            record["image"] = f"/image/{rank}"
        return record

    def _chunk(self, start: int) -> list[dict[str, Any]]:
        positions = self._order[start : start + CHUNK]
        curves = None if self._history is None else curves_of_audit(self._audit, self._history, positions)
        return sample_records(self._audit, positions, media=self._media, curves=curves)

    def _words(self) -> dict[Any, list[Decision]]:
        words: dict[Any, list[Decision]] = {}
        for decisions in self.log.words.current.values():
            for sample, decision in decisions.items():
                words.setdefault(sample, []).append(decision)
        return words

    def _disputed(self) -> list[tuple[Any, list[Decision]]]:
        return [(sample, words) for sample, words in self._words().items() if verdict(words)[0] == "disputed"]

    def _estimate(self) -> Any:
        wrong = np.full(len(self._ids), -1, np.int8)
        for sample, words in self._words().items():
            action = verdict(words)[0]
            if action not in ("unsure", "disputed"):
                wrong[self._rank[sample]] = action != "keep"
        return estimate(wrong, self._n_flagged, self._audit.summary["estimated_errors"])

    def _pairs(self, undecided: Array) -> list[dict[str, Any]]:
        pairs, of_rank = self._pairs_of_flagged
        counts = np.bincount(of_rank[undecided & (of_rank >= 0)], minlength=len(pairs))
        most = np.argsort(-counts, kind="stable")[:12]
        names = "given", "suggested", "kind"
        return [
            dict(zip(names, pairs[pair], strict=True), n=int(counts[pair]))
            for pair in most.tolist()
            if counts[pair] > 1
        ]

    @cached_property
    def _pairs_of_flagged(self) -> tuple[list[tuple[str, str, str]], Array]:
        """(given, suggested, kind) of the flagged samples, and which of them each rank has, (n,), -1 for none."""
        numbers: dict[tuple[str, str, str], int] = {}
        of_rank = np.full(len(self._ids), -1, np.int64)
        for rank in np.flatnonzero(self._flagged).tolist():
            if not is_missing(self._suggested[rank]):
                pair = str(self._given[rank]), str(self._suggested[rank]), self._kind(rank)
                of_rank[rank] = numbers.setdefault(pair, len(numbers))
        return list(numbers), of_rank

    def _kind(self, rank: int) -> str:
        """Return what else look-alikes have in common: only those are decided together."""
        return ""


def _name(reviewer: str) -> str:
    name = _trimmed(reviewer)
    if not 0 < len(name) <= 60:
        raise LabelAuditError("a reviewer needs a name of 1 to 60 characters")
    return name


def _listed(labels: list[Any]) -> str:
    return ", ".join(str(label) for label in labels[:20]) + (", ..." if len(labels) > 20 else "")


def _trimmed(name: str) -> str:
    return " ".join(name.split())


def _said(word: Decision) -> dict[str, Any]:
    return {
        "reviewer": word.reviewer,
        "action": word.action,
        "label": None if word.label is None else str(word.label),
    }
