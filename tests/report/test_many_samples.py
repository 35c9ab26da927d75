"""What is done for every sample is done by array: no loop goes over the ids of a table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import labelaudit
from labelaudit.history.part import first_places
from labelaudit.history.samples import find
from labelaudit.report.others import others_of
from labelaudit.report.source import rows_of


@pytest.mark.parametrize("ids", [None, [f"photo {i}.png" for i in range(60)]])
def test_no_loop_over_the_index(ids: list[str] | None, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 60)
    scores = rng.normal(size=(4, 60, 3)) + 3 * np.eye(3)[labels]
    audit = labelaudit.audit(
        labelaudit.history_from_arrays(scores, labels, sample_ids=ids, class_names=["ant", "bee", "cat"])
    )

    def looped(index: Any) -> Any:
        raise AssertionError("a loop over every sample")

    monkeypatch.setattr(pd.Index, "__iter__", looped)
    assert audit.history is not None
    assert rows_of(audit, audit.history).tolist() == list(range(60))
    others = others_of(audit, np.arange(10))
    assert others is not None
    assert others["ids"] == ([str(i) for i in range(10, 60)] if ids is None else ids[10:])


@pytest.mark.parametrize("wanted", [[-5, 3, 7, 9], [9, 7, -5, 3], [3, 9], [3, 3, 4]])
def test_keys_are_found_whatever_their_order(wanted: list[int]) -> None:
    keys = np.array([7, 3, 9, -5])
    present, rows = find(keys, np.array(wanted))
    assert present.tolist() == [key in keys for key in wanted]
    assert keys[rows].tolist() == [key for key in wanted if key in keys]


def test_first_places_are_those_of_unique() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 5, 50):
        rows = rng.integers(0, n, 40)
        for found, expected in zip(first_places(rows, n), np.unique(rows, return_index=True), strict=True):
            np.testing.assert_array_equal(found, expected)


def test_a_file_of_all_samples_by_key_is_not_searched(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = np.random.default_rng(0).permutation(1000) * 7919

    def searched(*_: Any, **__: Any) -> Any:
        raise AssertionError("a search for every sample")

    monkeypatch.setattr(np, "searchsorted", searched)
    present, rows = find(keys, np.sort(keys))
    assert present.all()
    np.testing.assert_array_equal(keys[rows], np.sort(keys))
