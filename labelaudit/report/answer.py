"""What stands at the top of the report: how many labels are wrong, where, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelaudit.history.runs import IN_MEMORY
from labelaudit.visible import typed

if TYPE_CHECKING:
    from labelaudit.auditing.result import Audit

SURE = 0.9  # suggestion_confidence from which a correction is offered without a look at it


OPTIONS = {"threshold": "--threshold", "expected_error_rate": "--expected-error-rate", "split": "--split"}


def places_of(audit: Audit) -> list[str]:
    """Return where the runs lie that were audited; those in memory left out."""
    return [str(place) for place in audit.info.get("history") or [] if place != IN_MEMORY]


def review_of(audit: Audit) -> list[str]:
    """Return what to type, one command after the other, for a review of this very audit; none where no shell can.

    A run is audited anew by ``labelaudit review RUN``, with no options: an audit that was made with some is reviewed in
    the folder that it was saved in, or made again into one.
    """
    places, asked = places_of(audit), audit.info.get("asked") or {}
    alone = len(places) == 1 and not audit.info.get("held_out")
    if alone and not asked:
        return [f"labelaudit review {typed(places[0])}"]
    if audit.folder is not None:
        return [f"labelaudit review {typed(audit.folder)}"]
    if not alone or asked.keys() - OPTIONS.keys():
        return []
    options = " ".join(f"{OPTIONS[name]} {typed(str(value))}" for name, value in asked.items())
    return [f"labelaudit audit {typed(places[0])} {options} --out audit", "labelaudit review audit"]


def answer_of(audit: Audit) -> dict[str, Any]:
    """Return the facts that the template prints, numbers formatted."""
    facts, measured = audit.summary, audit.measured
    low, high = facts["interval"]
    sure = len(audit.corrections(SURE))
    return {
        "samples": f"{facts['n_samples']:,}",
        "epochs": f"{facts['n_epochs']:,}",
        "classes": f"{facts['n_classes']:,}",
        "runs": facts["n_runs"],
        "errors": f"{facts['estimated_errors']:,}",
        "rate": f"{facts['estimated_error_rate']:.1%}".replace("%", " %"),
        "low": f"{low:,}",
        "high": f"{high:,}",
        "flagged": f"{facts['n_flagged']:,}",
        "worst_classes": [
            {
                "label": str(row["label"]),
                "flagged": f"{row['flagged']:,}",
                "samples": f"{row['samples']:,}",
                "share": f"{row['share']:.1%}".replace("%", " %"),
            }
            for row in facts["worst_classes"]
        ],
        "worst_pairs": [
            {"given": str(row["given"]), "suggested": str(row["suggested"]), "flagged": f"{row['flagged']:,}"}
            for row in facts["worst_pairs"]
        ],
        "measured": None
        if measured is None or not measured.n_planted
        else {
            "planted": f"{measured.n_planted:,}",
            "recall": f"{measured.recall:.1%}".replace("%", " %"),
            "precision": f"{measured.precision:.1%}".replace("%", " %") if measured.n_flagged else None,
        },
        "sure": f"{sure:,}" if sure else None,
        "sure_from": f"{SURE:g}",
        "run": " ".join(places_of(audit)),
        "review": review_of(audit),
        "clean": facts["n_flagged"] == 0,
    }
