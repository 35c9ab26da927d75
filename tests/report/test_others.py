"""Samples without a card: every one of them, with its labels; left out where there are too many."""

from __future__ import annotations

import base64

import numpy as np
import pandas as pd
import pytest

import labelaudit
from labelaudit.report import others


def unpacked(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), "<u2")


@pytest.mark.parametrize("kind", ["audit", "plain_audit"])
def test_they_hold_labels_and_quality(kind: str, request: pytest.FixtureRequest) -> None:
    audit = request.getfixturevalue(kind)
    shown = np.arange(0, 400, 7)
    found = others.others_of(audit, shown)
    assert found is not None
    rest = audit.samples.drop(audit.samples.index[shown])
    assert found["ids"] == [str(sample) for sample in rest.index]
    assert [found["names"][i] for i in unpacked(found["given"])] == [str(label) for label in rest["given_label"]]
    suggested = [None if i == others.NO_CLASS else found["names"][i] for i in unpacked(found["suggested"])]
    assert suggested == [None if pd.isna(label) else str(label) for label in rest["suggested_label"]]
    np.testing.assert_allclose(unpacked(found["quality"]) / others.STEPS, rest["label_quality"], atol=1e-4)


def test_there_are_none_or_too_many(audit: labelaudit.Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    assert others.others_of(audit, np.arange(400)) is None
    monkeypatch.setattr(others, "MAX_CHARACTERS", 100)
    assert others.others_of(audit, np.arange(5)) is None
