"""Slices of an audit by metadata."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from labelaudit import LabelAuditError
from labelaudit.analyzers import slices
from labelaudit.analyzers.slices import wilson_interval

IDS = [f"image-{i}" for i in range(10)]
SAMPLES = pd.DataFrame(
    {"is_label_issue": [True, True, True, False, False, False, False, False, True, False]},
    index=pd.Index(IDS, name="sample_id"),
)
SOURCE = pd.Series(["a", "a", "a", "a", "b", "b", "b", "b", "c", None], index=IDS, name="source")


def test_counts_per_value_worst_first():
    found = slices(SAMPLES, SOURCE)
    assert found.loc[0, "value"] == "a"
    by_value = found.set_index("value")
    assert by_value.loc[["a", "b", "c"], "n_samples"].tolist() == [4, 4, 1]
    assert by_value.loc[["a", "b", "c"], "n_issues"].tolist() == [3, 0, 1]
    assert by_value.loc["a", "low"] == pytest.approx(0.3006, abs=1e-4)
    assert found["value"].isna().sum() == 1
    assert found["n_samples"].sum() == 10
    assert found["low"].is_monotonic_decreasing


def test_the_order_of_the_metadata_does_not_matter():
    pd.testing.assert_frame_equal(slices(SAMPLES, SOURCE), slices(SAMPLES, SOURCE[::-1]))


def test_samples_unknown_to_the_metadata_are_a_missing_value():
    found = slices(SAMPLES, SOURCE.iloc[:4])
    assert found.set_index("value").loc["a", "n_samples"] == 4
    assert found.loc[found["value"].isna(), "n_samples"].tolist() == [6]


def test_several_columns_and_small_slices():
    metadata = pd.DataFrame({"source": SOURCE, "night": [True, False] * 5}, index=IDS)
    found = slices(SAMPLES, metadata, min_samples=4)
    assert sorted(zip(found["column"], found["n_samples"], strict=True)) == [
        ("night", 5),
        ("night", 5),
        ("source", 4),
        ("source", 4),
    ]


def test_a_column_of_very_many_tiny_slices_is_named():
    samples = pd.DataFrame({"is_label_issue": np.arange(400) % 7 == 0})
    paths = pd.Series([f"{i % 4}/{i // 2}.png" for i in range(400)], name="path")
    with pytest.warns(UserWarning, match="column 'path' has 400 different values, each a slice of 1.0 samples on the"):
        assert len(slices(samples, paths)) == 400
    assert len(slices(samples, paths, min_samples=2)) == 0
    assert len(slices(samples, paths.str.split("/").str[0])) == 4
    assert len(slices(samples, paths.head(90))) == 91


def test_numbers_are_cut_into_quantiles():
    samples = pd.DataFrame({"is_label_issue": np.arange(100) >= 80})
    found = slices(samples, pd.Series(np.arange(100.0), name="brightness"), bins=5)
    assert found["n_samples"].tolist() == [20] * 5
    assert found.loc[0, "share"] == 1
    assert found.loc[0, "value"].right == 99


def test_a_common_number_is_a_slice_of_its_own():
    samples = pd.DataFrame({"is_label_issue": np.arange(303) >= 270})
    dose = pd.Series([0.0] * 270 + list(range(1, 31)) + [np.inf, np.inf, np.nan], name="dose")
    for numbers in (dose, dose.where(np.isfinite(dose)).astype("Int64")):
        found = slices(samples, numbers)
        by_value = found.set_index(found["value"].astype(str))
        assert by_value["n_samples"].sum() == 303
        assert found.loc[found["value"] == 0, "n_samples"].tolist() == [270]
        assert found.loc[found["value"] == 0, "share"].tolist() == [0]
        in_quantiles = [hasattr(value, "left") for value in found["value"]]
        assert found.loc[in_quantiles, "n_samples"].tolist() == [6] * 5
    assert slices(samples, dose).set_index("value").loc[np.inf, "n_samples"] == 2


def test_few_numbers_stay_what_they_are():
    found = slices(SAMPLES, pd.Series([0, 1] * 5, index=IDS, name="camera"))
    assert sorted(found["value"]) == [0, 1]


@pytest.mark.parametrize(
    ("samples", "metadata", "message"),
    [
        (pd.DataFrame({"score": [1]}), SOURCE, "no column is_label_issue, only score; pass audit.samples"),
        (SAMPLES, SOURCE.reset_index(drop=True), r"begins with \[0\], sample ids with \['image-0'\]"),
        (SAMPLES, pd.concat([SOURCE, SOURCE[:1]]), "names sample 'image-0' more than once"),
        (SAMPLES, pd.concat([SOURCE, SOURCE], axis=1), "more than one column 'source'"),
        (SAMPLES, SOURCE.map(lambda value: [value]), "column 'source' cannot be grouped by .*'list'"),
        ("audit", SOURCE, "samples is a str; expected a table of samples: pass audit.samples"),
        (SAMPLES, SOURCE.tolist(), "metadata is a list; expected a DataFrame or Series"),
    ],
)
def test_what_does_not_fit_is_refused(samples, metadata, message):
    with pytest.raises(LabelAuditError, match=message):
        slices(samples, metadata)


@pytest.mark.parametrize(("option", "value"), [("bins", 0), ("bins", 2.5), ("min_samples", "3")])
def test_options_are_checked(option, value):
    with pytest.raises(LabelAuditError, match=f"{option}={value!r} is out of range"):
        slices(SAMPLES, SOURCE, **{option: value})


@pytest.mark.parametrize(("hits", "n"), [(0, 0), (0, 10), (10, 10), (3, 7), (500, 100_000)])
def test_wilson_interval_solves_its_equation(hits, n):
    low, high = wilson_interval(hits, n)
    assert 0 <= low <= high <= 1
    if n:
        share = hits / n
        assert low <= share <= high
        for bound in (low, high):
            if 0 < bound < 1:
                assert abs(share - bound) / np.sqrt(bound * (1 - bound) / n) == pytest.approx(1.959964, abs=1e-4)


@pytest.mark.parametrize("kind", ["plain", "zone", "arrow", "durations"])
def test_dates_and_durations_are_cut_into_quantiles(kind):
    # Every second of a day was a slice of its own, and those of one flagged sample came first.
    samples = pd.DataFrame({"is_label_issue": np.arange(100) >= 80})
    taken = pd.Series(pd.date_range("2026-01-01", periods=100, freq="s", tz="UTC" if kind == "zone" else None))
    if kind == "arrow":
        taken = taken.astype(pd.ArrowDtype(pa.timestamp("ns")))
    if kind == "durations":
        taken = taken - taken[0]
    found = slices(samples, taken.rename("taken"))
    assert found["n_samples"].tolist() == [20] * 5
    assert found.loc[0, "share"] == 1
    assert found.loc[0, "value"].right == taken[99]
    taken[:30] = taken[60]
    taken[90:] = None
    found = slices(samples, taken.rename("taken"))
    assert found["n_samples"].sum() == 100
    assert found.loc[found["value"].isna(), "n_samples"].tolist() == [10]
    assert found.loc[[value == taken[60] for value in found["value"]], "n_samples"].tolist() == [31]


def test_numbers_among_objects_and_in_half_precision_are_numbers():
    samples = pd.DataFrame({"is_label_issue": np.arange(100) >= 80})
    for numbers in (pd.Series([*range(99), None], dtype=object), pd.Series(np.arange(100), dtype=np.float16)):
        found = slices(samples, numbers.rename("dose"))
        assert sum(hasattr(value, "left") for value in found["value"]) == 5
