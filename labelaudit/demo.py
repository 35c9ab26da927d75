"""``labelaudit demo``: plant mistakes in real data, train, audit, and say how many were found."""

from __future__ import annotations

import importlib
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labelaudit.auditing import audit, plant_mistakes
from labelaudit.errors import LabelAuditError
from labelaudit.visible import typed

# The one place where the core names code that trains: by name, and only when this command is run.
_TRAINING = "labelaudit.callbacks.digits"


@dataclass(frozen=True)
class DemoResult:
    """What the demo found on its planted mistakes; all shares are 0..1, high is good."""

    recall: float
    precision: float
    f1: float
    f1_at_n: float
    average_precision: float
    correction_accuracy: float
    n_suggestions: int
    n_planted: int
    n_flagged: int
    seconds: float
    history: str
    audit: str
    csv: str
    html: str
    summary: str

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers and places."""
        facts = asdict(self)
        del facts["summary"]
        return facts

    def __str__(self) -> str:
        return (
            f"{self.summary}\n\n"
            f"Measured on the {self.n_planted:,} planted mistakes:\n"
            f"  recall {self.recall:.3f}, precision {self.precision:.3f}, F1 {self.f1:.3f} "
            f"({self.n_flagged:,} flagged)\n"
            f"  F1 at the true number {self.f1_at_n:.3f}, average precision {self.average_precision:.3f}\n"
            f"  a label suggested for {self.n_suggestions:,} of the mistakes found, "
            f"{self.correction_accuracy:.1%} of these right\n"
            f"History: {self.history}\nAudit: {self.audit}\nFlagged samples (CSV): {self.csv}\n"
            f"Report: {self.html}\n"
            f"Done in {self.seconds:.0f} s. Next: labelaudit audit {typed(self.history)}"
        )


def run_demo(
    out: str = "labelaudit-demo",
    kind: str = "symmetric",
    fraction: float = 0.1,
    epochs: int = 30,
    seed: int = 0,
    *,
    quiet: bool = False,
) -> DemoResult:
    """Train a small network on scikit-learn's digits with planted mistakes and audit the history.

    Args:
        out: folder for history, audit, CSV and report; an earlier demo there is replaced.
        kind: "symmetric", "pair" or "confusion", see `plant_mistakes`.
        fraction: share of the labels to make wrong.
        epochs: epochs to train.
        seed: of mistakes and training.
        quiet: print nothing while it runs (the progress bar goes to standard error).

    Raises:
        LabelAuditError: an option is out of range, or torch and Lightning are not installed.
    """
    from sklearn.datasets import load_digits

    started = time.perf_counter()
    if epochs < 1:
        raise LabelAuditError(f"--epochs {epochs} trains nothing; expected 1 or more")
    if not 0 < fraction < 1:
        raise LabelAuditError(f"--fraction {fraction} is out of range; expected a share between 0 and 1, such as 0.1")
    if Path(out).is_file():
        raise LabelAuditError(f"--out {out} is a file; name a folder")
    try:
        training = importlib.import_module(_TRAINING)
    except ModuleNotFoundError as problem:
        raise LabelAuditError(
            f"the demo trains with PyTorch Lightning, but {problem.name} is not installed. "
            'Type: pip install "labelaudit[train]"'
        ) from None
    digits = load_digits()
    labels, planted = plant_mistakes(digits.target, fraction, kind, seed)
    if not quiet:
        print(
            f"Training a small network on {len(labels):,} handwritten digits, {len(planted):,} of them with a "
            f"planted wrong label ({kind}).",
            file=sys.stderr,
        )
    history = Path(out) / "history"
    training.train(history, digits.images, labels, planted, epochs=epochs, seed=seed, progress=not quiet)
    found = audit(history)
    found.save(Path(out) / "audit")
    found.to_csv(Path(out) / "issues.csv", issues_only=True)
    found.to_html(Path(out) / "report.html", images=digits.images, title="Digits with planted mistakes")
    measured = found.measured
    assert measured is not None  # mistakes were planted above
    return DemoResult(
        recall=measured.recall,
        precision=measured.precision,
        f1=measured.f1,
        f1_at_n=measured.f1_at_n,
        average_precision=measured.average_precision,
        correction_accuracy=measured.correction_accuracy,
        n_suggestions=measured.n_suggestions,
        n_planted=measured.n_planted,
        n_flagged=measured.n_flagged,
        seconds=round(time.perf_counter() - started, 2),
        history=str(history),
        audit=str(Path(out) / "audit"),
        csv=str(Path(out) / "issues.csv"),
        html=str(Path(out) / "report.html"),
        summary=str(found.summary),
    )
