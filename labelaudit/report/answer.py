"""What stands at the top of the report: how many labels are wrong, where, and what to do next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labelaudit.history.runs import IN_MEMORY
from labelaudit.visible import typed

if TYPE_CHECKING:
    from labelaudit.auditing.result import Audit

SURE = 0.9  # suggestion_confidence from which a correction is offered without a look at it


def review_of(places: list[str]) -> str | None:
    """Return what to type for a review of the run that lies there; None where that is not one run on a disk."""
    return f"labelaudit review {typed(places[0])}" if len(places) == 1 else None


def answer_of(audit: Audit) -> dict[str, Any]:
    """Return the facts that the template prints, numbers formatted."""
    facts, measured = audit.summary, audit.measured
    low, high = facts["interval"]
    sure = len(audit.corrections(SURE))
    places = [str(place) for place in audit.info.get("history") or [] if place != IN_MEMORY]
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
        "run": " ".join(places),
        "review": review_of(places),
        "clean": facts["n_flagged"] == 0,
    }
