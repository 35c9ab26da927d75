"""The report of an audit: one HTML page that holds everything it shows."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from labelaudit.errors import LabelAuditError
from labelaudit.history.folder import write_file
from labelaudit.report import charts
from labelaudit.report.answer import answer_of
from labelaudit.report.curves import Curves, curves_of_audit
from labelaudit.report.cuts import cut_table
from labelaudit.report.embedding_map import chosen_visualization, embedding_map
from labelaudit.report.media import Media
from labelaudit.report.others import others_of
from labelaudit.report.records import rounded, sample_records, worst_first
from labelaudit.report.rendering import rendered
from labelaudit.report.source import history_of
from labelaudit.report.thumbnails import MAX_BYTES, SIDE, Thumbnails, make_thumbnails

if TYPE_CHECKING:
    from labelaudit.auditing.result import Audit
    from labelaudit.embedding import Visualization
    from labelaudit.history import History

SCRIPTS = (
    "card.js",
    "charts.js",
    "cut.js",
    "data_map.js",
    "colours.js",
    "embedding_map.js",
    "matrix.js",
    "filters.js",
    "others.js",
    "dialog.js",
    "report.js",
)
STYLES = ("theme.css", "card.css", "report.css", "charts.css")
MAX_CARDS = 2_000


@dataclass(frozen=True, repr=False)
class Report:
    """A finished report.

    Attributes:
        html: the page; lone surrogates are replaced, so that it can always be written as UTF-8.
        n_cards: how many samples can be looked at in it, the worst first.
        notes: what it had to leave out.
    """

    html: str
    n_cards: int
    notes: list[str]

    def __repr__(self) -> str:
        lines = [f"<report of {self.n_cards:,} samples, {self.size / 1e6:.1f} MB>", *self.notes]
        return "\n".join(lines)

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return len(self.html.encode())

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page, in one step."""
        write_file(path, self.html.encode())


def make_report(
    audit: Audit,
    *,
    images: Any = None,
    texts: Any = None,
    rows: Any = None,
    history: History | str | os.PathLike[str] | None = None,
    visualization: Visualization | str | bool | None = None,
    title: str = "Label audit",
    max_cards: int = MAX_CARDS,
    thumbnail_size: int = SIDE,
    max_image_bytes: int = MAX_BYTES,
) -> Report:
    """Make the report of an audit; `Audit.to_html` says what the arguments are."""
    if audit.objects is not None:
        from labelaudit.detection.findings.report import make_detection_report

        return make_detection_report(
            audit,
            images=images,
            history=history,
            title=title,
            max_cards=max_cards,
            thumbnail_size=max(thumbnail_size, 240),
            max_image_bytes=max_image_bytes,
        )
    if max_cards < 1:
        raise LabelAuditError(f"max_cards={max_cards} shows nothing; expected 1 or more")
    if not 8 <= thumbnail_size <= 1024:
        raise LabelAuditError(f"thumbnail_size={thumbnail_size} is out of range; expected 8 to 1024 pixels")
    media = Media(audit.samples.index.to_numpy(), images, texts, rows)
    positions = worst_first(audit, max_cards)
    found = history_of(audit, history)
    curves = None if found is None else curves_of_audit(audit, found, positions)
    thumbnails = make_thumbnails(media, positions, side=thumbnail_size, max_bytes=max_image_bytes)
    picture, note = chosen_visualization(audit, visualization, found)
    data = _data(audit, positions, media, thumbnails, curves)
    data["embedding"] = None if picture is None else embedding_map(audit, picture, positions)
    notes = _notes(audit, positions, thumbnails, curves) + [note] * bool(note)
    html = _rendered(audit, data, title, notes)
    return Report(html.encode("utf-8", "xmlcharrefreplace").decode(), len(positions), notes)


def _data(audit: Audit, positions: Any, media: Media, thumbnails: Thumbnails, curves: Curves | None) -> dict[str, Any]:
    samples = audit.samples
    cards = sample_records(audit, positions, media=media, images=thumbnails.uris, curves=curves)
    for card in cards:
        if card["curve"] is not None:
            del card["curve"]["epochs"]  # the same for all: learning.epochs
    quality = samples["label_quality"].to_numpy(np.float64)
    shown = samples.iloc[positions]
    return {
        "total": len(samples),
        "cards": cards,
        "others": others_of(audit, positions),
        "card_x": rounded(shown["variability"].to_numpy(), 4),
        "card_y": rounded(shown["confidence"].to_numpy(), 4),
        "cuts": cut_table(quality, audit.summary["n_flagged"], audit.summary["estimated_errors"], audit.measured),
        "histogram": charts.quality_histogram(quality),
        "map": charts.data_map(samples),
        "matrix": charts.noise_matrix(audit.noise_matrix),
        "forgetting": charts.forgetting_histogram(samples),
        "learning": None if curves is None else charts.learning_curves(curves),
    }


def _notes(audit: Audit, positions: Any, thumbnails: Thumbnails, curves: Curves | None) -> list[str]:
    notes = [str(note) for note in audit.summary["notes"]]
    if len(positions) < len(audit.samples):
        notes.append(
            f"Cards are shown for the {len(positions):,} most suspicious of {len(audit.samples):,} samples; charts and "
            "counts are over all samples."
        )
    if curves is None:
        notes.append("The history was not at hand, so there are no curves over the epochs; pass history=.")
    return notes + thumbnails.notes()


def _rendered(audit: Audit, data: dict[str, Any], title: str, notes: list[str]) -> str:
    return rendered(
        "report.html.jinja",
        data,
        scripts=SCRIPTS,
        sheets=STYLES,
        title=title,
        answer=answer_of(audit),
        notes=notes,
        n_cards=len(data["cards"]),
        has_images=any(card["image"] for card in data["cards"]),
        learning=data["learning"],
        embedding=data["embedding"],
        made_by=f"labelaudit {audit.info.get('labelaudit', '')}".strip(),
    )
