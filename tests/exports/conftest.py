"""A small audit with awkward names, of which every number is fixed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from labelaudit import Audit, History, audit, history_from_arrays

NAMES = ['cat & "dog"', "<owl>", "newt"]
IDS = ["a/1.png", "a/2.png", "b/<3>.png", "b/4.png", "c/5.png", "c/é 6.png"]
TRUE = np.array([0, 0, 1, 1, 2, 2])
GIVEN = np.array([0, 1, 1, 1, 2, 0])  # 1 and 5 are wrong
GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture
def history() -> History:
    scores = np.full((3, 6, 3), 0.1)
    for epoch in range(3):
        scores[epoch, np.arange(6), TRUE] += 0.2 * (epoch + 1) + 0.1
        scores[epoch, np.arange(6), GIVEN] += 0.6 - 0.2 * epoch
    scores /= scores.sum(axis=2, keepdims=True)
    return history_from_arrays(scores, GIVEN, sample_ids=IDS, class_names=NAMES)


@pytest.fixture
def found(history: History) -> Audit:
    """The audit, its verdict fixed: exports are tested here, not the ranking."""
    result = audit(history)
    table = result.samples
    table["label_quality"] = [0.9, 0.125, 0.95, 0.875, 0.75, 0.25]
    table["is_label_issue"] = [False, True, False, False, False, True]
    table["suggested_label"] = pd.Series([None, NAMES[0], None, None, None, NAMES[2]], dtype=object).array
    table["suggestion_confidence"] = [np.nan, 0.8125, np.nan, np.nan, np.nan, 0.625]
    table["predicted_label"] = np.array(NAMES, dtype=object)[TRUE]
    table["reason"] = ["", "why & how", "", "", "", "why not"]
    for name in ("mistakenness", "hardness"):
        table[name] = table[name].round(6)
    return result


def same_as_golden(name: str, data: bytes) -> None:
    """Compare with the file of that name; a test that fails says how to write a new one."""
    path = GOLDEN / name
    assert path.is_file(), f"no golden file {path}"
    assert data.decode() == path.read_text(encoding="utf-8")
