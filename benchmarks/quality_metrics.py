"""How good a finding is, once the true labels are shown."""

from __future__ import annotations

from typing import Any

import numpy as np
from quality_peers import Finding
from sklearn.metrics import average_precision_score, roc_auc_score

BINS = 10


def scored(finding: Finding, given: np.ndarray, true: np.ndarray) -> dict[str, Any]:
    """Return all measures of a finding; NaN where it makes no such statement.

    The suggestions' accuracy is over the flagged samples that are wrong. Their calibration is over all flagged
    samples with a suggestion: one for a sample whose label was right counts as wrong. ``calibration`` holds, for each
    tenth of the stated probability, how many there were, the sum of the probabilities, and how many were right.
    """
    wrong = given != true
    n_wrong = int(wrong.sum())
    row: dict[str, Any] = {
        "method": finding.method,
        "group": finding.group,
        "runs": finding.runs,
        "n": len(given),
        "n_wrong": n_wrong,
    }
    if finding.suspicion is not None and n_wrong:
        row["ap"] = float(average_precision_score(wrong, finding.suspicion))
        row["auroc"] = float(roc_auc_score(wrong, finding.suspicion))
        row["ceiling"] = _f1_at_true_count(wrong, finding.suspicion)
    rate = finding.rate
    if finding.flagged is not None:
        flagged = finding.flagged
        hits = int((flagged & wrong).sum())
        row |= {"n_flagged": int(flagged.sum()), "n_found": hits}
        row["f1"] = 2 * hits / (int(flagged.sum()) + n_wrong) if n_wrong else float("nan")
        rate = flagged.mean() if rate is None else rate
        if finding.suggested is not None:
            row |= _suggestions(finding, true, wrong)
    if rate is not None:
        row["rate_estimated"] = float(rate)
        row["rate_error"] = float(abs(rate - wrong.mean()))
    if finding.interval is not None:
        row["interval_holds"] = float(finding.interval[0] <= n_wrong <= finding.interval[1])
    return row


def _f1_at_true_count(wrong: np.ndarray, suspicion: np.ndarray) -> float:
    """Return F1 when as many are flagged as are wrong; of equally suspicious ones their share of hits counts."""
    count = int(wrong.sum())
    last = np.sort(suspicion)[::-1][count - 1]
    above, tied = suspicion > last, suspicion == last
    return float((wrong & above).sum() + (count - above.sum()) * wrong[tied].mean()) / count


def _suggestions(finding: Finding, true: np.ndarray, wrong: np.ndarray) -> dict[str, Any]:
    assert finding.suggested is not None
    assert finding.flagged is not None
    made = finding.flagged & (finding.suggested >= 0)
    right = finding.suggested == true
    row: dict[str, Any] = {
        "n_suggested": int((made & wrong).sum()),
        "n_suggested_right": int((made & wrong & right).sum()),
    }
    if finding.chance is not None:
        chance = finding.chance[made]
        place = np.clip((chance * BINS).astype(int), 0, BINS - 1)
        columns = [np.ones(len(chance)), chance, right[made].astype(float)]
        row["calibration"] = np.concatenate([np.bincount(place, column, BINS) for column in columns]).tolist()
    return row


def calibration_error(calibrations: list[Any]) -> float:
    """Return the expected calibration error of several runs' suggestions together."""
    made, stated, right = np.sum([np.reshape(one, (3, BINS)) for one in calibrations], axis=0)
    return float(np.abs(stated - right).sum() / made.sum()) if made.sum() else float("nan")
