"""The review of a detection audit: decisions box by box, and what they make of the audit."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.auditing.fingerprint import fingerprint
from labelaudit.auditing.result import Audit
from labelaudit.detection.findings.issues import issues_of
from labelaudit.detection.findings.report import box_records, curves_of_findings, flagged_first
from labelaudit.detection.findings.scenes import Scenes
from labelaudit.errors import LabelAuditError
from labelaudit.report.media import Media
from labelaudit.reviewing.decision_log import DecisionLog
from labelaudit.reviewing.decisions import ACTIONS, load_decisions
from labelaudit.reviewing.session import CHUNK, ReviewSession

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
TEXTS = {
    "class": {"accept": "Take the class"},
    "location": {"accept": "Move the box"},
    "spurious": {"accept": "Remove the box"},
    "missing": {"accept": "Add the box", "keep": "Nothing there", "remove": "Nothing there"},
}
ALWAYS = {"keep": "Keep as it is", "remove": "Remove the box"}


class BoxReview(ReviewSession):
    """One detection audit under review; a finding is known by its rank.

    Decisions are "relabel" (the box gets another class), "move" (it takes the suggested place), "remove", "add" (a
    missing object, with its class), "keep" and "unsure".

    Args:
        found: the audit.
        log: where decisions go; made for `issues_of(found).audit`.
        images: pictures by image id, as in `Audit.to_html`.
        history: for the curves over the epochs; None shows none.
    """

    actions = ACTIONS

    def __init__(self, found: Audit, log: DecisionLog, images: Any = None, history: Any = None) -> None:
        issues = issues_of(found)
        self._found, self._issues, self._boxes_history = found, issues, history
        self._scenes = Scenes(found, issues, images)
        ids = issues.audit.samples.index
        at = {one: position for position, one in enumerate(ids.tolist())}
        pieces = (lambda one: self._scenes.piece(at[one])) if self._scenes.has_images else None
        super().__init__(issues.audit, log, Media(ids.to_numpy(), images=pieces), order=flagged_first(issues))

    def _decide(
        self, name: str, ranks: Sequence[int], samples: Sequence[tuple[Any, Any]], action: str, label: int | None
    ) -> None:
        kinds = {self._kind(rank) for rank in ranks}
        if len(kinds) > 1:
            raise LabelAuditError(f"these findings are of several kinds: {', '.join(sorted(kinds))}; decide them apart")
        kind = next(iter(kinds))
        if kind == "missing" and action in ("accept", "choose", "remove"):
            if action == "remove":
                self.log.decide(name, samples, "keep")
            else:
                present = self._class(label) if action == "choose" else self._one_suggestion(ranks)
                self.log.decide(name, samples, "add", present)
        elif action == "accept" and kind in ("location", "spurious"):
            self.log.decide(name, samples, "move" if kind == "location" else "remove")
        else:
            super()._decide(name, ranks, samples, action, label)

    def _kind(self, rank: int) -> str:
        return str(self._issues.kind[self._order[rank]])

    def _chunk(self, start: int) -> list[dict[str, Any]]:
        positions = self._order[start : start + CHUNK]
        curves = curves_of_findings(self._found, self._issues, positions, self._boxes_history)
        cards = box_records(self._issues, positions, self._scenes, curves=curves)
        for card, position in zip(cards, positions.tolist(), strict=True):
            kind = self._issues.kind[position]
            card["actions"] = ALWAYS | TEXTS.get(kind, {})
            card["acceptable"] = kind == "spurious" or card["suggested"] is not None
        return cards


def reviewed(found: Audit, decisions: pd.DataFrame | str | os.PathLike[str]) -> Audit:
    """Return the audit with a review's decisions in place of its own suggestions, as `correct_boxes` applies them.

    Args:
        found: the audit that was reviewed.
        decisions: the review's file, or its table (`load_decisions`).

    Raises:
        LabelAuditError: the decisions are on other boxes.
    """
    import pandas as pd

    table = decisions if isinstance(decisions, pd.DataFrame) else load_decisions(decisions)
    issues = issues_of(found)
    if "fingerprint" in table and (table["fingerprint"] != fingerprint(issues.audit)).any():
        raise LabelAuditError("these decisions are on other boxes or labels than this audit; apply them to their own")
    place = issues.audit.samples.index.get_indexer(table.index)
    if (place < 0).any():
        raise LabelAuditError(f"the audit has no finding {table.index[int((place < 0).argmax())]!r}")
    assert found.objects is not None
    assert found.missing is not None
    objects, missing = found.objects.copy(), found.missing.copy()
    issue = np.full(len(objects), None, object)
    suggested = objects["suggested_label"].astype(object).to_numpy(copy=True)
    category, present = missing["category"].astype(object).to_numpy(copy=True), np.zeros(len(missing), bool)
    names = {str(name): name for name in [*found.noise_matrix.index, *objects["given_label"], *missing["category"]]}
    for position, action, label in zip(place.tolist(), table["action"], table["label"], strict=True):
        row = issues.row[position]
        if issues.kind[position] == "missing":
            if action == "add":
                present[row], category[row] = True, names[str(label)]
        elif action in CHANGES:
            issue[row] = CHANGES[action]
            if action == "relabel":
                suggested[row] = names[str(label)]
    for kind in ("class", "location", "spurious"):
        objects[f"{kind}_score"] = (issue == kind).astype(float)
    objects["issue"], objects["is_label_issue"] = issue, pd.notna(issue)
    objects["suggested_label"], missing["category"] = suggested, category
    missing["is_label_issue"], missing["confidence"] = present, present.astype(float)
    return replace(found, objects=objects, missing=missing)


CHANGES = {"relabel": "class", "move": "location", "remove": "spurious"}
