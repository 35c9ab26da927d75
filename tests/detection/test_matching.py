"""Overlaps and matches of all images at once against slow references, one image and one box at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labelaudit.detection import overlap
from labelaudit.detection.boxes import Detections, Objects
from labelaudit.detection.matching import match
from labelaudit.detection.tracks import surest


def slow_iou(a, b):
    wide = min(a[2], b[2]) - max(a[0], b[0])
    high = min(a[3], b[3]) - max(a[1], b[1])
    if wide <= 0 or high <= 0:
        return 0.0
    shared = wide * high
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared)


def random_boxes(rng, n, images):
    corner = rng.integers(0, 8, (n, 2)).astype(float)
    return rng.integers(0, images, n), rng.integers(0, 3, n), np.c_[corner, corner + rng.integers(2, 7, (n, 2))]


def scene(seed, images=4):
    rng = np.random.default_rng(seed)
    objects = Objects.of(*random_boxes(rng, int(rng.integers(0, 14)), images))
    image, category, box = random_boxes(rng, int(rng.integers(0, 20)), images)
    return objects, Detections.of(image, category, box, rng.permutation(len(image)) / 20)


def slow_match(objects, detections, threshold, class_blind):
    found = np.full(len(detections), -1)
    free = np.ones(len(objects), bool)
    for d in np.argsort(-detections.score, kind="stable"):
        near = [
            (slow_iou(detections.box[d], objects.box[o]), o)
            for o in range(len(objects))
            if objects.image[o] == detections.image[d]
        ]
        near = [(iou, o) for iou, o in near if iou >= threshold]
        own = [(iou, o) for iou, o in near if objects.category[o] == detections.category[d]]
        usable = near if class_blind or not own else own
        usable = [(iou, o) for iou, o in usable if free[o]]
        if usable:
            found[d] = max(usable, key=lambda pair: (round(pair[0], 12), -pair[1]))[1]
            free[found[d]] = False
    return found


@given(st.integers(0, 10_000), st.sampled_from([0.0, 0.1, 0.5]))
@settings(max_examples=60, deadline=None)
def test_overlapping_pairs_are_those_of_two_loops(seed, at_least):
    objects, detections = scene(seed)
    found = overlap.overlapping(detections.image, detections.box, objects.image, objects.box, at_least)
    expected = [
        (d, o, slow_iou(detections.box[d], objects.box[o]))
        for d in range(len(detections))
        for o in range(len(objects))
        if detections.image[d] == objects.image[o]
    ]
    expected = [(d, o, iou) for d, o, iou in expected if iou > 0 and iou >= at_least]
    assert list(zip(found.first.tolist(), found.second.tolist(), strict=True)) == [(d, o) for d, o, _ in expected]
    assert found.iou == pytest.approx([iou for _, _, iou in expected])


def test_blocks_change_nothing(monkeypatch):
    rng = np.random.default_rng(0)
    a, b = (Objects.of(*random_boxes(rng, 300, 20)) for _ in range(2))
    whole = overlap.overlapping(a.image, a.box, b.image, b.box)
    monkeypatch.setattr(overlap, "BLOCK", 7)
    parts = overlap.overlapping(a.image, a.box, b.image, b.box)
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)


@given(st.integers(0, 10_000), st.sampled_from([0.3, 0.5]), st.booleans())
@settings(max_examples=120, deadline=None)
def test_matches_are_those_of_a_loop(seed, threshold, class_blind):
    objects, detections = scene(seed)
    found = match(objects, detections, threshold, class_blind=class_blind)
    np.testing.assert_array_equal(found, slow_match(objects, detections, threshold, class_blind))


def test_a_detection_goes_to_its_own_class_even_where_another_label_overlaps_more():
    objects = Objects.of([0, 0], [0, 1], [[0, 0, 10, 10], [0, 0, 10, 14]])
    drawn = Detections.of([0], [1], [[0, 0, 10, 10]], [0.9])
    assert match(objects, drawn).tolist() == [1]
    assert match(objects, drawn, class_blind=True).tolist() == [0]


def test_a_second_detection_of_a_matched_label_is_a_duplicate_and_takes_no_other_class():
    objects = Objects.of([0, 0], [0, 1], [[0, 0, 10, 10], [0, 0, 10, 14]])
    drawn = Detections.of([0, 0], [0, 0], [[0, 0, 10, 10], [0, 0, 10, 11]], [0.9, 0.8])
    assert match(objects, drawn).tolist() == [0, -1]
    assert match(objects, drawn, class_blind=True).tolist() == [0, 1]


def test_a_crowd_takes_any_number_of_its_own_class_inside_it():
    objects = Objects.of([0], [0], [[0, 0, 100, 100]], [True])
    inside = [[0, 0, 10, 10], [50, 50, 60, 60], [20, 20, 30, 30]]
    assert match(objects, Detections.of([0, 0, 0], [0, 0, 1], inside, [0.5, 0.9, 0.9])).tolist() == [0, 0, -1]


def test_suppression_keeps_the_surest_of_boxes_that_overlap():
    drawn = Detections.of([0, 0, 0, 1], [0, 1, 0, 0], [[0, 0, 10, 10], [0, 0, 10, 9], [30, 0, 40, 9], [0, 0, 10, 10]],
                          [0.3, 0.6, 0.2, 0.1])  # fmt: skip
    assert surest(drawn, 0.5).tolist() == [1, 2, 3]


def test_no_boxes_match_nothing():
    none = Objects.of([], [], np.zeros((0, 4)))
    assert len(match(none, Detections.of([], [], np.zeros((0, 4)), []))) == 0
    assert match(none, Detections.of([0], [0], [[0, 0, 1, 1]], [0.5])).tolist() == [-1]
