"""The report of a detection audit: one HTML page that holds everything it shows."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelaudit.detection.findings.curves import curves_of_boxes
from labelaudit.detection.findings.issues import KINDS, Issues, issues_of
from labelaudit.detection.findings.scenes import Scenes
from labelaudit.detection.store.history import DetectionHistory
from labelaudit.errors import LabelAuditError
from labelaudit.report.answer import places_of, review_of
from labelaudit.report.curves import Curves
from labelaudit.report.media import Media
from labelaudit.report.page import Report
from labelaudit.report.records import sample_records, worst_first
from labelaudit.report.rendering import rendered
from labelaudit.report.thumbnails import Thumbnails, make_thumbnails

SCRIPTS = ("card.js", "filters.js", "dialog.js", "boxes.js")
STYLES = ("theme.css", "card.css", "report.css", "boxes.css")
MEASURE = "detector's score \u00d7 overlap"


def make_detection_report(
    found: Any,
    *,
    images: Any = None,
    history: Any = None,
    title: str = "Detection audit",
    max_cards: int = 2_000,
    thumbnail_size: int = 240,
    max_image_bytes: int = 24 * 2**20,
) -> Report:
    """Make the report of a detection audit; `Audit.to_html` says what the arguments are."""
    if max_cards < 1:
        raise LabelAuditError(f"max_cards={max_cards} shows nothing; expected 1 or more")
    if not 8 <= thumbnail_size <= 1024:
        raise LabelAuditError(f"thumbnail_size={thumbnail_size} is out of range; expected 8 to 1024 pixels")
    issues = issues_of(found)
    positions = flagged_first(issues, max_cards)
    scenes = Scenes(found, issues, images)
    curves = curves_of_findings(found, issues, positions, history)
    thumbnails = Thumbnails([None] * len(positions))
    if scenes.has_images:
        at = {one: position for position, one in enumerate(issues.audit.samples.index.tolist())}
        pieces = Media(issues.audit.samples.index.to_numpy(), images=lambda one: scenes.piece(at[one]))
        thumbnails = make_thumbnails(pieces, positions, side=thumbnail_size, max_bytes=max_image_bytes)
    cards = box_records(issues, positions, scenes, images=thumbnails.uris, curves=curves)
    notes = _notes(issues, positions, thumbnails, curves, scenes)
    html = _rendered(found, issues, cards, title, notes)
    return Report(html.encode("utf-8", "xmlcharrefreplace").decode(), len(cards), notes)


def flagged_first(issues: Issues, most: int | None = None) -> Any:
    """Return positions of findings: the flagged ones, the most suspicious first, then the others."""
    order = worst_first(issues.audit)
    flagged = issues.audit.samples["is_label_issue"].to_numpy(bool)[order]
    return np.concatenate([order[flagged], order[~flagged]])[:most]


def curves_of_findings(found: Any, issues: Issues, positions: Any, named: Any = None) -> Curves | None:
    """Return the curves of some findings; None where the history is not at hand."""
    from labelaudit.history import open_history

    history = getattr(found, "history", None) if named is None else named
    if history is not None and not isinstance(history, DetectionHistory):
        history = open_history(history)
    if not isinstance(history, DetectionHistory):
        return None
    return curves_of_boxes(history, issues, positions, found.info.get("split"))


def box_records(
    issues: Issues, positions: Any, scenes: Scenes, *, images: Any = None, curves: Curves | None = None
) -> list[dict[str, Any]]:
    """Return one JSON-ready dict per finding: as `sample_records` makes it, with ``scene``, the boxes in its piece."""
    cards = sample_records(issues.audit, positions, images=images, curves=curves)
    for card, position in zip(cards, np.asarray(positions).tolist(), strict=True):
        card["scene"] = scenes.overlay(position)
        card["none"] = "no object found" if issues.kind[position] == "spurious" else None
        card["statistics"] = [*issues.facts(position), *card["statistics"]]
        if card["curve"] is not None:
            card["curve"]["names"] = [f"{MEASURE}, given", f"{MEASURE}, suggested"]
    return cards


def _notes(issues: Issues, positions: Any, thumbnails: Thumbnails, curves: Curves | None, scenes: Scenes) -> list[str]:
    notes = [str(note) for note in issues.audit.summary["notes"]]
    if len(positions) < len(issues):
        notes.append(f"Cards are shown for {len(positions):,} of {len(issues):,} boxes, the most suspicious first.")
    if curves is None:
        notes.append("The history was not at hand, so there are no curves over the epochs; pass history=.")
    if not scenes.has_images:
        notes.append("No pictures were given, so only the boxes are drawn; pass images=.")
    return notes + thumbnails.notes("picture")


def _rendered(found: Any, issues: Issues, cards: list[dict[str, Any]], title: str, notes: list[str]) -> str:
    flagged = issues.audit.samples["is_label_issue"].to_numpy(bool)
    counts = {kind: int(((issues.kind == kind) & flagged).sum()) for kind in KINDS}
    return rendered(
        "detection.html.jinja",
        {"cards": cards},
        scripts=SCRIPTS,
        sheets=STYLES,
        title=title,
        counts=counts,
        n_objects=f"{len(found.objects):,}",
        n_images=f"{len(found.samples):,}",
        n_epochs=issues.audit.summary["n_epochs"],
        n_wrong=f"{sum(counts[kind] for kind in KINDS[:3]):,}",
        n_missing=f"{counts['missing']:,}",
        run=" ".join(places_of(found)),
        review=review_of(found),
        notes=notes,
        n_cards=len(cards),
        made_by=f"labelaudit {found.info.get('labelaudit', '')}".strip(),
    )
