"""Bad input: one clear error, or a note on what was done."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

import labelaudit
from labelaudit.detection.frames import read_frame
from tests.detection.simulated import HEIGHT, WIDTH, simulate

TRUTH, DRAWN, _, _ = simulate(n_images=12, epochs=1, seed=2, rate=0.1)
SIZES = dict.fromkeys(range(12), (WIDTH, HEIGHT))


def numbers(frame, start=0):
    return frame.assign(category=[["ant", "bee", "fly"].index(kind) + start for kind in frame["category"]])


def corners(frame):
    return frame.assign(w=frame["x"] + frame["w"], h=frame["y"] + frame["h"])


def put(frame, row, **values):
    frame = frame.copy()
    for name, value in values.items():
        frame.loc[row, name] = value
    return frame


ERRORS = {
    "NaN in a box": (put(TRUTH, 3, w=np.nan), DRAWN, "NaN or infinity, first in row 3"),
    "NaN in a detection": (TRUTH, put(DRAWN, 5, x=np.nan), "detections.*NaN or infinity, first in row 5"),
    "a score above one": (TRUTH, put(DRAWN, 2, score=1.5), "outside 0 to 1, first in row 2"),
    "percentages": (TRUTH, DRAWN.assign(score=DRAWN["score"] * 100), "divide by 100"),
    "a score of an epoch": (TRUTH, put(DRAWN, 3, score=2.0).assign(epoch=range(len(DRAWN))), "first in row 3: 2.0"),
    "only boxes of no size": (TRUTH, DRAWN.assign(w=0.0), "no detection has an area: w or h of all"),
    "a list as image": (TRUTH.assign(image_id=[[1]] * len(TRUTH)), DRAWN, r"image_id of row 0 is \[1\]"),
    "a list as category": (TRUTH, DRAWN.assign(category=[["ant"]] * len(DRAWN)), "category of row 0 is"),
    "a NaN score": (TRUTH, put(DRAWN, 2, score=np.nan), "outside 0 to 1"),
    "no score": (TRUTH, DRAWN.drop(columns="score"), "no column 'score'"),
    "no category": (TRUTH.drop(columns="category"), DRAWN, "no column 'category'"),
    "no boxes": (TRUTH.drop(columns="w"), DRAWN, "no column 'w'"),
    "corners as sizes": (corners(TRUTH), DRAWN, "box_format=\"xyxy\""),
    "detections' corners as sizes": (TRUTH, corners(DRAWN), "box_format=\"xyxy\""),
    "class numbers from 0 and 1": (numbers(TRUTH, 1), numbers(DRAWN), "counts from 0"),
    "numbers and names": (numbers(TRUTH), DRAWN, "no category in common"),
    "other images": (TRUTH, DRAWN.assign(image_id=DRAWN["image_id"] + 100), "image ids of ground truth"),
    "no detections": (TRUTH, DRAWN.iloc[:0], "the detections are empty"),
    "no epochs": (TRUTH, [], "the detections are empty"),
    "shares and pixels": (TRUTH, DRAWN.assign(**{side: DRAWN[side] / 640 for side in "xywh"}), "shares of"),
    "an array": (TRUTH.to_numpy(), DRAWN, "expected a data frame"),
    "a wrong path": ("nowhere.json", DRAWN, "no file or folder"),
    "no image": (put(TRUTH.astype({"image_id": float}), 4, image_id=np.nan), DRAWN, "row 4 has no image_id"),
}  # fmt: skip


@pytest.mark.parametrize("name", ERRORS)
def test_one_clear_error(name):
    truth, drawn, message = ERRORS[name]
    with pytest.raises(labelaudit.LabelAuditError, match=message):
        labelaudit.audit_detections(truth, drawn)


@pytest.mark.parametrize("sized", [True, False])
def test_corners_are_recognised_with_and_without_sizes_and_read_when_said(sized):
    sizes = SIZES if sized else None
    with pytest.raises(labelaudit.LabelAuditError, match="two corners"):
        labelaudit.audit_detections(corners(TRUTH), corners(DRAWN), image_sizes=sizes)
    found = labelaudit.audit_detections(corners(TRUTH), corners(DRAWN), image_sizes=sizes, box_format="xyxy")
    np.testing.assert_allclose(found.objects["w"], TRUTH["w"])


def test_class_numbers_with_names_beside_names():
    names = dict(enumerate(["ant", "bee", "fly"], 1))
    found = labelaudit.audit_detections(numbers(TRUTH, 1), DRAWN, category_names=names)
    assert found.objects["given_label"].tolist() == TRUTH["category"].tolist()
    with pytest.raises(labelaudit.LabelAuditError, match="category 0 is not among"):
        labelaudit.audit_detections(numbers(TRUTH, 0), DRAWN, category_names=names)


NOTES = {
    "a box without area": (put(TRUTH, 3, w=0.0), DRAWN, "1 box is of zero or negative size"),
    "a box of negative size": (put(TRUTH, 3, h=-4.0), DRAWN, "1 box is of zero or negative size"),
    "a detection without area": (TRUTH, put(DRAWN, 3, w=0.0), "1 box is of no size and left out"),
    "a box outside": (put(TRUTH, 3, x=900.0), DRAWN, "1 box is partly or wholly outside"),
    "a box twice": (pd.concat([TRUTH, TRUTH.iloc[[0]]], ignore_index=True), DRAWN, "1 box is listed twice"),
    "a detection twice": (TRUTH, pd.concat([DRAWN, DRAWN.iloc[[0]]]), "1 box is listed twice and left out once"),
    "an unknown category": (TRUTH, put(DRAWN, 1, category="wasp"), "categories that no label has: wasp"),
    "an image without detections": (TRUTH, DRAWN[DRAWN["image_id"] != 4], "1 of 12 labelled images have no detection"),
    "an image without boxes": (TRUTH[TRUTH["image_id"] != 4], DRAWN, "1 images have no labelled box"),
    "a crowd": (TRUTH.assign(is_crowd=[True] + [False] * (len(TRUTH) - 1)), DRAWN, "marked as a crowd"),
    "no boxes at all": (TRUTH.iloc[:0], DRAWN, "no boxes: only missing objects"),
    "one epoch": (TRUTH, DRAWN, "One epoch only"),
}


@pytest.mark.parametrize("name", NOTES)
def test_a_note_says_what_was_done(name):
    truth, drawn, message = NOTES[name]
    found = labelaudit.audit_detections(truth, drawn, image_sizes=SIZES)
    assert any(message in note for note in found.summary.notes), found.summary.notes
    assert len(found.objects) == len(truth)
    assert set(found.samples.index) == set(range(12))


def test_boxes_wrong_by_themselves_are_flagged():
    twice = pd.concat([put(TRUTH, 3, w=0.0), TRUTH.iloc[[0]]], ignore_index=True)
    table = labelaudit.audit_detections(twice, DRAWN).objects
    assert table.loc[3, "issue"] == "location"
    assert table.loc[3, "reason"] == "The box has no area."
    assert table.iloc[-1]["issue"] == "spurious"
    assert table.iloc[-1]["reason"] == "The same box is listed twice."
    assert table.loc[[3, len(TRUTH)], "label_quality"].tolist() == [0, 0]


@pytest.mark.parametrize("n", [1, 2, 3])
def test_a_handful_of_boxes_is_audited_with_a_doubt(n):
    truth = TRUTH.iloc[:n]
    found = labelaudit.audit_detections(truth, DRAWN[DRAWN["image_id"] == 0])
    assert len(found.objects) == n
    assert any("hardly be learned" in note for note in found.summary.notes)


def test_one_class_only():
    found = labelaudit.audit_detections(TRUTH.assign(category="x"), DRAWN.assign(category="x"))
    assert (found.objects["class_score"] == 0).all() or found.objects["class_score"].max() < 0.01
    assert set(found.objects["issue"].dropna()) <= {"location", "spurious"}


def test_folders_and_files_that_hold_no_boxes(tmp_path):
    with pytest.raises(labelaudit.LabelAuditError, match="holds nothing"):
        labelaudit.audit_detections(tmp_path, DRAWN)
    (tmp_path / "a.csv").write_text("x")
    with pytest.raises(labelaudit.LabelAuditError, match=r"no .txt \(YOLO\)"):
        labelaudit.audit_detections(tmp_path, DRAWN)
    for text, message in (("{", "JSON"), ('{"a": 1}', "is not COCO"), ("[1]", "one object per box")):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(labelaudit.LabelAuditError, match=message):
            labelaudit.audit_detections(tmp_path / "a.json", DRAWN)
    strange = {
        "images": [{"id": 1}],
        "categories": [],
        "annotations": [{"image_id": 2, "category_id": 1, "bbox": [0] * 4}],
    }
    (tmp_path / "a.json").write_text(json.dumps(strange))
    with pytest.raises(labelaudit.LabelAuditError, match="image 2, which images does not list"):
        labelaudit.audit_detections(tmp_path / "a.json", DRAWN)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("0 0.5 0.5 0.1", "expected: class x y w h"),
        ("a b c d e", "expected: class"),
        ("inf 0.5 0.5 0.1 0.1", "expected: class"),
        ("0 300 200 50 60", "pixels"),
    ],
)
def test_yolo_lines_that_are_none(tmp_path, line, message):
    (tmp_path / "7.txt").write_text(line)
    with pytest.raises(labelaudit.LabelAuditError, match=message):
        labelaudit.audit_detections(tmp_path, DRAWN, image_sizes={"7": (10, 10)})


@pytest.mark.parametrize(
    "options",
    [{"rules": "x"}, {"iou_threshold": 0}, {"threshold": 2}, {"threshold": 0.1, "expected_error_rate": 0.1},
     {"box_format": "yxyx"}, {"image_sizes": [1]}, {"image_sizes": {0: 5}}, {"image_sizes": {0: (None, None)}},
     {"image_sizes": {0: (0, 10)}}, {"image_sizes": {0: (1, 2, 3)}}, {"seed": -1}, {"seed": 0.5}],
)  # fmt: skip
def test_wrong_options(options):
    with pytest.raises(labelaudit.LabelAuditError, match=next(iter(options))):
        labelaudit.audit_detections(TRUTH, DRAWN, **options)


def test_files_that_are_not_of_their_format(tmp_path):
    (tmp_path / "yolo").mkdir()
    (tmp_path / "yolo" / "0.txt").write_bytes(b"0 0.5 0.5 0.1 0.1 # \xff")
    with pytest.raises(labelaudit.LabelAuditError, match="no text in UTF-8"):
        labelaudit.audit_detections(tmp_path / "yolo", DRAWN, image_sizes={"0": (10, 10)})
    (tmp_path / "voc").mkdir()
    (tmp_path / "voc" / "0.xml").write_text("<html/>")
    with pytest.raises(labelaudit.LabelAuditError, match="not Pascal VOC: it holds <html>"):
        labelaudit.audit_detections(tmp_path / "voc", DRAWN)
    boxes = [{"image_id": [1], "category_id": 1, "bbox": [0, 0, 5, 5]}]
    (tmp_path / "t.json").write_text(json.dumps({"images": [{"id": 1}], "annotations": boxes}))
    with pytest.raises(labelaudit.LabelAuditError, match=r"image_id of row 0 is \[1\]"):
        labelaudit.audit_detections(tmp_path / "t.json", DRAWN)


def test_probabilities_of_every_class_are_read_and_checked():
    """Detections that are all of one class, but whose probabilities know better."""
    truth, drawn, error, _ = simulate(n_images=40, epochs=2, seed=4)
    every = 0.1 + 0.8 * np.eye(3)[numbers(drawn)["category"]]
    sure = drawn.assign(probabilities=list(every * drawn["score"].to_numpy()[:, None]), category="ant")
    found = labelaudit.audit_detections(truth, sure.assign(category=["ant", "bee", "fly"] + ["ant"] * (len(sure) - 3)))
    blind = labelaudit.audit_detections(truth, sure.drop(columns="probabilities"))
    wrong = error == "class"
    assert average_precision_score(wrong, found.objects["mistakenness"]) > 0.8
    assert average_precision_score(wrong, blind.objects["mistakenness"]) < 0.3
    with pytest.raises(labelaudit.LabelAuditError, match="probabilities of 2 classes"):
        labelaudit.audit_detections(truth, sure.assign(probabilities=list(every[:, :2])))


def test_logits_become_probabilities():
    logits = np.log(0.1 + np.eye(3)[numbers(DRAWN)["category"]])
    frame = read_frame(DRAWN.assign(logits=list(logits)), "detections", "xywh").frame
    assert np.stack(frame["probabilities"].tolist()).sum(axis=1) == pytest.approx(np.ones(len(DRAWN)))
