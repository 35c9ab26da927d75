"""What relabelling did, or would do."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.visible import typed

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Relabelled:
    """What `relabel` did, or would do.

    Attributes:
        changes: index sample_id; given_label, new_label (missing where the sample is left out), place (the row of a
            label file or array, or the new path in a tree).
        disputed: samples left as they are since reviewers disagree on them.
        dry_run: whether nothing was written.
        out: the new file or tree, or the one changed in place; None for arrays, and where nothing was to be changed in
            place.
        undo_log: where the undo log lies; None where nothing was changed in place.
        labels: (n,) new labels, for arrays; those of left-out samples stay.
        kept: (n,) bool, False where a sample is to be left out, for arrays.
    """

    changes: pd.DataFrame
    disputed: tuple[Any, ...] = ()
    dry_run: bool = False
    out: Path | None = None
    undo_log: Path | None = None
    labels: npt.NDArray[Any] | None = None
    kept: npt.NDArray[np.bool_] | None = None

    @property
    def n_changed(self) -> int:
        """Number of samples with a new label."""
        return int(self.changes["new_label"].notna().sum())

    @property
    def n_removed(self) -> int:
        """Number of samples left out."""
        return len(self.changes) - self.n_changed

    def to_dict(self) -> dict[str, Any]:
        """Return counts and places, without the rows."""
        return {
            "n_changed": self.n_changed,
            "n_removed": self.n_removed,
            "n_disputed": len(self.disputed),
            "dry_run": self.dry_run,
            "out": None if self.out is None else str(self.out),
            "undo_log": None if self.undo_log is None else str(self.undo_log),
        }

    def __repr__(self) -> str:
        verb = "Would change" if self.dry_run else "Changed"
        lines = [f"{verb} {self.n_changed:,} labels, left out {self.n_removed:,} samples"]
        if self.disputed:
            lines.append(f"Left as they are, since reviewers disagree: {len(self.disputed):,}")
        if self.out is not None and not self.dry_run:
            lines.append(f"Written: {self.out}")
        if self.out is None and self.labels is None and not self.dry_run:
            lines.append("There was nothing to change, so nothing was written")
        if self.undo_log is not None:
            lines.append(f"To undo: labelaudit relabel --undo {typed(self.undo_log)}")
        return "\n".join(lines)
