"""What a run of `fit` found."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelaudit.auditing import Audit
from labelaudit.fitting.config import FitConfig
from labelaudit.visible import typed

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Fitted:
    """What `fit` found, and where it wrote it.

    Attributes:
        audit: of all repeats together.
        corrections: one row per image, see `labelaudit.fitting.corrections.corrections_table`.
        config: as used.
        unreadable: {image: why} of what was left out.
        coverage: share of the images that a model predicted which never saw them, 0..1.
        seconds: of this call.
        histories: one folder per repeat.
    """

    audit: Audit
    corrections: pd.DataFrame
    config: FitConfig
    unreadable: dict[str, str]
    coverage: float
    seconds: float
    histories: list[Path]

    @property
    def folder(self) -> Path:
        """The results folder."""
        return self.config.folder

    @property
    def report(self) -> Path:
        """The HTML report."""
        return self.folder / "report.html"

    @property
    def n_corrected(self) -> int:
        """Number of images with another label than the given one suggested."""
        return int((self.corrections["label"] != self.corrections["corrected_label"]).sum())

    @property
    def n_sure(self) -> int:
        """How many of them reach the sensitivity."""
        return int(self.corrections["relabel"].sum())

    def to_dict(self) -> dict[str, Any]:
        """Return counts and places."""
        return {
            "n_images": len(self.corrections),
            "n_unreadable": len(self.unreadable),
            "n_flagged": int(self.corrections["is_label_issue"].sum()),
            "n_corrected": self.n_corrected,
            "n_relabel": self.n_sure,
            "sensitivity": self.config.sensitivity,
            "coverage": round(self.coverage, 4),
            "seconds": round(self.seconds, 1),
            "corrections": str(self.config.csv),
            "report": str(self.report),
            "audit": str(self.folder / "audit"),
            "histories": [str(path) for path in self.histories],
        }

    def __repr__(self) -> str:
        return (
            f"{self.audit.summary}\n"
            f"Corrections: {self.n_corrected:,}, {self.n_sure:,} of them at sensitivity {self.config.sensitivity:g}\n"
            f"  {self.config.csv}\n"
            f"Report: {self.report}\n"
            f"Predicted by models that never saw them: {self.coverage:.0%} of the images\n"
            f"To see what would be relabelled, type: labelaudit relabel {typed(self.folder)} --dry-run"
        )
