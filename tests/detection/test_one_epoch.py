"""FiftyOne's numbers on an image worked out by hand, and what is left out on purpose."""

import numpy as np
import pandas as pd
import pytest

import labelaudit

TRUTH = pd.DataFrame(
    {
        "image_id": ["a", "a", "a", "b"],
        "category": ["cat", "dog", "cat", "dog"],
        "x": [0.0, 100.0, 300.0, 10.0],
        "y": 0.0,
        "w": [50.0, 40.0, 40.0, 30.0],
        "h": [50.0, 40.0, 40.0, 30.0],
    }
)
DRAWN = pd.DataFrame(
    {
        "image_id": ["a", "a", "a", "b"],
        "category": ["cat", "cat", "dog", "dog"],
        "x": [0.0, 100.0, 500.0, 10.0],
        "y": [0.0, 10.0, 0.0, 0.0],
        "w": [50.0, 40.0, 60.0, 30.0],
        "h": [50.0, 40.0, 60.0, 30.0],
        "score": [0.8, 0.6, 0.97, 0.5],
    }
)
# IoU of the first match is 1, of the second 30 * 40 / (50 * 40) = 0.6, so i = 0.8
MISTAKENNESS = [(1 - 0.8) / 2, (1 + 0.6) / 2, np.nan, (1 - 0.5) / 2]
LOCATION = [(1 - 0.8) / 2, (1 + 0.6 * (2 * 0.8 - 1)) / 2, np.nan, (1 - 0.5) / 2]


def test_fiftyone_rules_give_its_numbers():
    found = labelaudit.audit_detections(TRUTH, DRAWN, rules="fiftyone")
    assert found.objects["mistakenness"].tolist() == pytest.approx(MISTAKENNESS, abs=1e-12, nan_ok=True)
    assert found.objects["mistakenness_loc"].tolist() == pytest.approx(LOCATION, abs=1e-12, nan_ok=True)
    assert found.objects["possible_spurious"].tolist() == [False, False, True, False]
    assert found.samples["possible_missing"].to_dict() == {"a": 1, "b": 0}
    assert found.samples["possible_spurious"].to_dict() == {"a": 1, "b": 0}
    assert found.samples["mistakenness"].tolist() == pytest.approx([0.8, 0.25])
    assert found.missing[["image_id", "category", "x", "confidence"]].to_numpy().tolist() == [["a", "dog", 500, 0.97]]


def test_one_epoch_has_the_same_numbers_by_default_where_a_detection_matches():
    found = labelaudit.audit_detections(TRUTH, DRAWN).objects
    matched = [0, 1, 3]
    assert found["mistakenness"].iloc[matched].tolist() == pytest.approx([MISTAKENNESS[i] for i in matched], abs=1e-12)
    assert found["mistakenness_loc"].iloc[matched].tolist() == pytest.approx([LOCATION[i] for i in matched], abs=1e-12)
    assert 0.5 <= found["mistakenness"].iloc[2] <= 1


def test_the_most_confident_takes_the_nearest_whatever_its_class_only_by_fiftyone_rules():
    truth = TRUTH.iloc[[0, 0]].assign(category=["cat", "dog"], h=[50.0, 60.0])
    drawn = DRAWN.iloc[[0, 0]].assign(category=["dog", "cat"], score=[0.9, 0.8])
    blind = labelaudit.audit_detections(truth, drawn, rules="fiftyone").objects["mistakenness"]
    assert blind.tolist() == pytest.approx([0.95, 0.9])  # the dog's box went to the cat
    assert labelaudit.audit_detections(truth, drawn).objects["mistakenness"].tolist() == pytest.approx([0.1, 0.05])


def test_iou_threshold_and_confidence_are_arguments():
    strict = labelaudit.audit_detections(TRUTH, DRAWN, rules="fiftyone", iou_threshold=0.7, missing_confidence=0.5)
    assert strict.objects["possible_spurious"].tolist() == [False, True, True, False]
    assert strict.samples["possible_missing"].to_dict() == {"a": 2, "b": 0}


def test_one_epoch_is_said_to_tell_little_of_objects_that_were_missed():
    once = labelaudit.audit_detections(TRUTH, DRAWN).summary["notes"]
    assert any("One epoch only" in note and "missed once looks spurious" in note for note in once)
    twice = labelaudit.audit_detections(TRUTH, [DRAWN, DRAWN]).summary["notes"]
    assert not any("One epoch only" in note for note in twice)
