"""The four kinds of mistake in detections of several epochs, against FiftyOne's numbers of the last one."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

import labelaudit
from labelaudit.detection.boxes import Objects
from labelaudit.detection.overlap import overlapping
from tests.detection.simulated import simulate

DATA = simulate()


@pytest.fixture(scope="module")
def found():
    return labelaudit.audit_detections(DATA.truth, DATA.detections)


def ap(kind, score):
    return average_precision_score(DATA.error == kind, np.nan_to_num(score))


@pytest.mark.parametrize(
    ("kind", "column", "least"),
    [
        ("class", "mistakenness", 0.85),
        ("location", "mistakenness_loc", 0.9),
        ("spurious", "spurious_score", 0.85),
    ],
)
def test_each_column_ranks_its_kind_and_better_than_one_epoch(found, kind, column, least):
    last = DATA.detections[DATA.detections["epoch"] == 2]
    other = labelaudit.audit_detections(DATA.truth, last, rules="fiftyone").objects
    theirs = "possible_spurious" if kind == "spurious" else column
    ours = ap(kind, found.objects[column])
    assert ours > least
    assert ours > ap(kind, other[theirs].astype(float))


def test_label_quality_ranks_all_kinds_together(found):
    assert average_precision_score(DATA.error != "none", -found.objects["label_quality"]) > 0.95


def test_missing_objects_are_found_with_their_class_and_place(found):
    likely = found.missing[found.missing["is_label_issue"]]
    hits = pairs_of(likely, DATA.missing)
    assert len(set(hits.second.tolist())) >= 0.8 * len(DATA.missing)
    assert len(set(hits.first.tolist())) >= 0.8 * len(likely)
    best = DATA.missing.sort_values("image_id", kind="stable")["category"].to_numpy()[hits.second]
    assert (likely.sort_values("image_id", kind="stable")["category"].to_numpy()[hits.first] == best).mean() > 0.9
    assert found.missing["n_epochs"].between(1, 3).all()
    assert found.missing["confidence"].is_monotonic_decreasing


def pairs_of(first, second):
    a, b = (
        Objects.of(t["image_id"], np.zeros(len(t)), np.c_[t[["x", "y"]], t["x"] + t["w"], t["y"] + t["h"]])
        for t in (first, second)
    )
    return overlapping(a.image, a.box, b.image, b.box, 0.5)


def test_flags_suggestions_and_counts(found):
    table = found.objects
    flagged = table["is_label_issue"].to_numpy()
    wrong = DATA.error != "none"
    assert (flagged & wrong).sum() > 0.8 * wrong.sum()
    assert (flagged & wrong).sum() > 0.8 * flagged.sum()
    named = table["issue"].notna()
    assert (named == flagged).all()
    assert (table.loc[flagged & wrong, "issue"].to_numpy() == DATA.error[flagged & wrong]).mean() > 0.8
    moved = flagged & (DATA.error == "location")
    assert table.loc[moved, "suggested_box"].notna().mean() > 0.9
    assert found.samples["possible_spurious"].sum() == table["possible_spurious"].sum()
    assert found.samples["possible_missing"].sum() == found.missing["is_label_issue"].sum()
    assert (table.loc[flagged, "reason"] != "").all()
    assert (table.loc[~flagged, "reason"] == "").all()


def test_rows_follow_the_input_and_the_order_of_rows_does_not_matter(found):
    order = np.random.default_rng(1).permutation(len(DATA.truth))
    shuffled = labelaudit.audit_detections(DATA.truth.iloc[order], DATA.detections).objects
    np.testing.assert_array_equal(shuffled["x"], DATA.truth["x"].to_numpy()[order])
    same = np.corrcoef(shuffled["label_quality"], found.objects["label_quality"].to_numpy()[order])[0, 1]
    assert same > 0.98


def test_a_list_and_a_dict_of_epochs_say_what_one_frame_says(found):
    parts = {epoch: part.drop(columns="epoch") for epoch, part in DATA.detections.groupby("epoch")}
    for other in (parts, list(parts.values())):
        table = labelaudit.audit_detections(DATA.truth, other).objects
        pd.testing.assert_frame_equal(table, found.objects)


def test_saved_and_loaded(found, tmp_path):
    found.save(tmp_path / "audit")
    again = labelaudit.load_audit(tmp_path / "audit")
    pd.testing.assert_frame_equal(again.objects, found.objects)
    pd.testing.assert_frame_equal(again.missing, found.missing)
    pd.testing.assert_frame_equal(again.samples, found.samples)
    assert str(again) == str(found)


def test_the_summary_and_the_noise_matrix(found):
    text = str(found)
    assert "boxes in 60 images, 3 classes, 3 epochs" in text
    assert "Missing:" in text
    assert found.noise_matrix.sum(axis=1).to_numpy() == pytest.approx(np.ones(3))
    assert (np.diag(found.noise_matrix) > 0.8).all()
    low, high = found.summary.interval
    assert low <= found.summary.estimated_errors <= high


def test_one_lucky_epoch_decides_nothing():
    """A detection of another class in one epoch of five leaves the label where it was."""
    data = simulate(epochs=5, rate=0.0, seed=3)
    row = data.truth.iloc[0]
    here = (data.detections["image_id"] == row["image_id"]) & (data.detections["epoch"] == 4)
    other = "ant" if row["category"] != "ant" else "bee"
    lucky = pd.DataFrame([{**row, "category": other, "score": 0.99, "epoch": 4}])
    drawn = pd.concat([data.detections[~here], lucky], ignore_index=True)
    assert not labelaudit.audit_detections(data.truth, drawn).objects["is_label_issue"].iloc[0]


def test_a_clean_set_has_few_flags():
    data = simulate(rate=0.0, seed=5)
    assert labelaudit.audit_detections(data.truth, data.detections).objects["is_label_issue"].mean() < 0.05


def test_confidences_may_be_low(found):
    low = DATA.detections.assign(score=DATA.detections["score"] * 0.2)
    table = labelaudit.audit_detections(DATA.truth, low).objects
    assert average_precision_score(DATA.error != "none", -table["label_quality"]) > 0.9


def test_cuts_by_argument():
    expected = labelaudit.audit_detections(DATA.truth, DATA.detections, expected_error_rate=0.1)
    assert expected.objects["is_label_issue"].sum() == round(0.1 * len(DATA.truth))
    table = labelaudit.audit_detections(DATA.truth, DATA.detections, threshold=0.9).objects
    assert (table["is_label_issue"] == (table["label_quality"] < 0.9)).all()
    few = labelaudit.audit_detections(DATA.truth, DATA.detections, missing_confidence=0.99)
    assert (few.missing["is_label_issue"] == (few.missing["confidence"] > 0.99)).all()
