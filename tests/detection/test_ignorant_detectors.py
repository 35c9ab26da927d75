"""Detections that know nothing of the labels accuse none of them."""

import numpy as np
import pytest

import labelaudit
from labelaudit.detection.likeness import density_ratio
from tests.detection.simulated import HEIGHT, WIDTH, simulate

TRUTH, DRAWN, _, _ = simulate(n_images=40, epochs=3, seed=4)


def ignorant(kind, drawn, seed=0):
    rng = np.random.default_rng(seed)
    n = len(drawn)
    classes = np.array(["ant", "bee", "fly"])
    if kind == "random boxes":
        places = {"x": rng.uniform(0, WIDTH - 90, n), "y": rng.uniform(0, HEIGHT - 90, n)}
        return drawn.assign(**places, category=classes[rng.integers(0, 3, n)], score=rng.random(n))
    if kind == "random classes":
        return drawn.assign(category=classes[rng.integers(0, 3, n)])
    if kind == "one class":
        return drawn.assign(category="ant")
    if kind == "scores of zero":
        return drawn.assign(score=0.0)
    if kind == "uniform probabilities":
        return drawn.assign(probabilities=[[1 / 3] * 3] * n)
    if kind == "one box in the corner":
        return drawn.groupby(["image_id", "epoch"]).head(1).assign(x=0.0, y=0.0, w=5.0, h=5.0)
    assert kind == "boxes of other images"
    return drawn.assign(image_id=(drawn["image_id"] + 1) % 40)


KINDS = [
    "random boxes",
    "random classes",
    "one class",
    "scores of zero",
    "uniform probabilities",
    "one box in the corner",
    "boxes of other images",
]


@pytest.mark.parametrize("n_images", [2, 5, 40])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_flagged_and_nothing_corrected(kind, n_images):
    truth, drawn = (frame[frame["image_id"] < n_images] for frame in (TRUTH, ignorant(kind, DRAWN)))
    found = labelaudit.audit_detections(truth, drawn)
    assert not found.objects["is_label_issue"].any()
    assert not found.missing["is_label_issue"].any()
    assert found.info["trust"] == 0
    assert any("Don't trust this audit" in note for note in found.summary.notes)
    with pytest.raises(labelaudit.LabelAuditError, match="tells nothing of these labels"):
        labelaudit.correct_boxes(truth, found, remove_spurious=True)


def test_boxes_wrong_by_themselves_are_flagged_all_the_same():
    truth = TRUTH.assign(w=TRUTH["w"].where(np.arange(len(TRUTH)) != 3, 0.0))
    found = labelaudit.audit_detections(truth, ignorant("random boxes", DRAWN)).objects
    assert np.flatnonzero(found["is_label_issue"]).tolist() == [3]


def test_a_weak_detector_accuses_few():
    """A tenth of the classes are better than chance: the bound on the share of mistakes is close to 1."""
    guesses = ignorant("random classes", DRAWN, seed=1)["category"].to_numpy()
    knows = np.random.default_rng(2).random(len(DRAWN)) < 0.15
    drawn = DRAWN.assign(category=np.where(knows, DRAWN["category"], guesses))
    assert labelaudit.audit_detections(TRUTH, drawn).objects["is_label_issue"].mean() < 0.3


def test_a_detector_that_knows_is_trusted_fully():
    assert labelaudit.audit_detections(TRUTH, DRAWN).info["trust"] == 1


def displaced(drawn, pixels):
    """Right in class, and this far from the place (boxes have some 70 pixels)."""
    rng = np.random.default_rng(0)
    return drawn.assign(**{side: drawn[side] + rng.normal(0, pixels, len(drawn)) for side in "xy"})


@pytest.mark.parametrize(("pixels", "trusted"), [(0, True), (10, True), (35, False), (50, False)])
def test_a_detector_that_knows_classes_and_no_places(pixels, trusted):
    found = labelaudit.audit_detections(TRUTH, displaced(DRAWN, pixels))
    assert any("learned little of places" in note for note in found.summary.notes) is not trusted
    assert (found.info["place_trust"] == 1) is trusted
    assert found.objects["is_label_issue"].mean() < 0.25
    assert (found.objects["issue"] == "location").any() == trusted
    assert found.missing["is_label_issue"].any() == trusted


def test_a_detector_that_learned_little_is_said():
    """A quarter of its classes are better than chance."""
    guesses = ignorant("random classes", DRAWN, seed=1)["category"].to_numpy()
    for share, little in ((0.25, True), (1.0, False)):
        knows = np.random.default_rng(2).random(len(DRAWN)) < share
        found = labelaudit.audit_detections(TRUTH, DRAWN.assign(category=np.where(knows, DRAWN["category"], guesses)))
        assert (0 < found.info["trust"] < 1) is little
        assert any("a little better than chance" in note for note in found.summary.notes) is little


def test_scores_that_are_equal_but_for_the_last_digit():
    """scikit-learn joins them, and gives no number above the joined one."""
    ratio, share = density_ratio(np.array([0.0, 1.0]), np.array([0.5, 1 + 5e-16]))
    assert np.isfinite(ratio).all()
    assert 0 <= share <= 1
