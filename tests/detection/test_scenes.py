"""The benchmark's scenes hold the mistakes that it says they hold, and its detector draws boxes that are audited."""

import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = str(Path(__file__).parents[2] / "benchmarks")


@pytest.fixture
def scenes(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    import detection_scenes

    yield detection_scenes, detection_scenes.make(detection_scenes.RECIPES["digits easy"], 30, 0.4, 0)
    for name in ("detection_scenes", "detection_detector", "fashion_mnist"):
        sys.modules.pop(name, None)


def test_planted_mistakes_are_what_they_are_called(scenes):
    module, made = scenes
    counts = {kind: int((made.error == kind).sum()) for kind in ("class", "location", "spurious")}
    assert len(set(counts.values())) == 1
    assert counts["class"] == len(made.missing_image) > 5
    wrong = made.error == "class"
    assert (made.category[wrong] != made.true_category[wrong]).all()
    right = made.error == "none"
    np.testing.assert_array_equal(made.box[right], made.true_box[right])
    for row in np.flatnonzero(made.error == "location"):
        assert 0.1 <= module.iou(made.box[row], made.true_box[row][None])[0] <= 0.45
    assert made.box.min() >= 0
    assert made.box.max() <= module.SIDE


def test_a_scene_shows_each_object_in_its_box(scenes):
    _, made = scenes
    for image, box in list(zip(made.image, made.true_box, strict=True))[:20]:
        x1, y1, x2, y2 = box.astype(int)
        assert made.pictures[image, y1:y2, x1:x2].mean() > made.pictures[image].mean()


def test_the_detector_learns_to_draw_boxes(scenes):
    _, made = scenes
    from detection_detector import train

    epochs = train(made.pictures, made.image, made.category, made.box, made.pictures, epochs=2)
    assert len(epochs) == 2
    last = epochs[-1]
    assert last["box"].shape == (len(last["score"]), 4)
    assert ((last["score"] >= 0) & (last["score"] <= 1)).all()
