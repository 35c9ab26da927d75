"""A recorded history is audited as frames are, and what it finds is kept, exported and printed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import labelaudit
from labelaudit import LabelAuditError
from labelaudit.cli import main
from tests.detection.simulated import HEIGHT, WIDTH
from tests.detection_store.conftest import DATA, NAMES, Recorded, name_of


def sorted_boxes(objects: pd.DataFrame) -> pd.DataFrame:
    return objects.sort_values(["image_id", "x", "y"], ignore_index=True)


def test_a_history_and_frames_give_the_same_audit(recorded: Recorded) -> None:
    found = recorded.audit
    truth = DATA.truth.assign(image_id=DATA.truth["image_id"].map(name_of))
    drawn = DATA.detections.assign(image_id=DATA.detections["image_id"].map(name_of))
    sizes = {name_of(image): (WIDTH, HEIGHT) for image in range(40)}
    order = np.argsort(truth["image_id"].to_numpy(), kind="stable")  # as a history keeps them
    expected = labelaudit.audit_detections(truth.iloc[order], drawn, image_sizes=sizes)
    ours, theirs = sorted_boxes(found.objects), sorted_boxes(expected.objects)
    np.testing.assert_allclose(ours[["x", "y", "w", "h"]], theirs[["x", "y", "w", "h"]], atol=1e-9)
    assert (ours["is_label_issue"] == theirs["is_label_issue"]).mean() > 0.99
    np.testing.assert_allclose(ours["label_quality"], theirs["label_quality"], atol=0.05)
    assert len(found.missing) == len(expected.missing)
    assert found.history is not None
    assert (found.info["history"], found.info["split"]) == ([str(recorded.run)], "train")


def test_epochs_and_options_reach_the_audit(recorded: Recorded) -> None:
    one = labelaudit.audit(recorded.run, epochs=[2])
    assert (one.summary["n_epochs"], one.info["epochs"]) == (1, [2])
    few = labelaudit.audit(recorded.run, expected_error_rate=0.05)
    assert few.summary["n_flagged"] == round(0.05 * len(few.objects))
    strict = labelaudit.audit(recorded.run, missing_confidence=0.99)
    assert strict.summary["n_missing"] < recorded.audit.summary["n_missing"]
    with pytest.raises(LabelAuditError, match="analyzers= is about classification"):
        labelaudit.audit(recorded.run, analyzers=["el2n"])
    with pytest.raises(LabelAuditError, match="no option 'iou'"):
        labelaudit.audit(recorded.run, iou=0.5)
    with pytest.raises(LabelAuditError, match=r"epoch 17 is not in .*; recorded: "):
        labelaudit.audit(recorded.run, epochs=[2, 17])
    history = labelaudit.history_from_arrays(np.eye(2)[None], [0, 1])
    with pytest.raises(LabelAuditError, match="classification has no option 'iou_threshold'"):
        labelaudit.audit(history, iou_threshold=0.5)


def test_command_line(recorded: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = {name: str(tmp_path / name) for name in ("audit", "boxes.csv", "report.html")}
    command = ["audit", str(recorded.run), "--json", "--out", places["audit"], "--csv", places["boxes.csv"]]
    assert main([*command, "--html", places["report.html"], "--images", str(recorded.pictures)]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["n_objects"] == len(recorded.audit.objects)
    written = pd.read_csv(places["boxes.csv"])
    assert len(written) == facts["n_flagged"]
    assert (written["label_quality"].diff().dropna() >= 0).all()
    assert len(pd.read_csv(tmp_path / "boxes.missing.csv")) == facts["n_missing"]
    again = labelaudit.load_audit(places["audit"])
    pd.testing.assert_frame_equal(again.objects, recorded.audit.objects)
    pd.testing.assert_frame_equal(again.missing, recorded.audit.missing)
    assert main(["info", str(recorded.run), "--json"]) == 0
    info = json.loads(capsys.readouterr().out)
    assert (info["keep"], info["splits"]["train"]["samples"], info["n_classes"]) == ("detections", 40, 3)
    assert main(["audit", str(recorded.run)]) == 0
    assert "Missing:" in capsys.readouterr().out
    assert main(["audit", str(recorded.run), "--epochs", "50:90"]) == 2
    assert "--epochs 50:90 names none of epochs 0 to " in capsys.readouterr().err


def test_label_studio(recorded: Recorded, tmp_path: Path) -> None:
    config = recorded.audit.to_label_studio(tmp_path / "tasks.json", images="https://pictures.example/x")
    assert '<RectangleLabels name="label" toName="image">' in config
    assert '<Label value="&lt;b&gt;fly&lt;/b&gt;"/>' in config
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert {task["data"]["image_id"] for task in tasks} == set(recorded.audit.issues.index)
    given, objects = 0, recorded.audit.objects
    for task in tasks:
        rows = objects[objects["image_id"] == task["data"]["image_id"]]
        boxes = [one["value"] for one in task["annotations"][0]["result"]]
        given += len(boxes)
        got = np.array([[box["x"], box["y"], box["width"], box["height"]] for box in boxes])
        np.testing.assert_allclose(got / 100 * [WIDTH, HEIGHT, WIDTH, HEIGHT], rows[["x", "y", "w", "h"]])
        assert [box["rectanglelabels"] for box in boxes] == [[label] for label in rows["given_label"]]
        suggested = task["predictions"][0]["result"] if task["predictions"] else []
        shown = [one for one in task["data"]["issues"] if one["issue"] != "spurious"]
        assert len(suggested) == len([one for one in shown if one["suggested_label"] is not None])
        assert all(0 <= one["score"] <= 1 for one in suggested)
    assert given > 0
    everything = json.loads(_tasks(recorded, tmp_path))
    assert len(everything) == 40


def _tasks(recorded: Recorded, tmp_path: Path) -> str:
    recorded.audit.to_label_studio(tmp_path / "all.json", images="https://pictures.example/x", issues_only=False)
    return (tmp_path / "all.json").read_text()


def test_fiftyone(recorded: Recorded, tmp_path: Path) -> None:
    recorded.audit.to_fiftyone(tmp_path / "dataset", images=recorded.pictures)
    samples = json.loads((tmp_path / "dataset/samples.json").read_text())["samples"]
    objects, missing = recorded.audit.objects, recorded.audit.missing
    assert len(samples) == 40
    for sample in samples:
        assert Path(sample["filepath"]).is_file()
        rows = objects[objects["image_id"] == sample["image_id"]]
        found = sample["ground_truth"]["detections"]
        assert [one["label"] for one in found] == rows["given_label"].tolist()
        boxes = np.array([one["bounding_box"] for one in found]).reshape(-1, 4)
        np.testing.assert_allclose(boxes * [WIDTH, HEIGHT, WIDTH, HEIGHT], rows[["x", "y", "w", "h"]])
        assert [one["is_label_issue"] for one in found] == rows["is_label_issue"].tolist()
        absent = missing[missing["is_label_issue"] & (missing["image_id"] == sample["image_id"])]
        assert len(sample["missing_objects"]["detections"]) == len(absent)
        assert (sample["tags"] == ["label_issue"]) == bool(rows["is_label_issue"].any() or len(absent))
    facts = json.loads((tmp_path / "dataset/metadata.json").read_text())
    assert facts["info"]["classes"] == NAMES


def test_exports_say_what_they_need(recorded: Recorded, tmp_path: Path) -> None:
    unsized = labelaudit.audit_detections(DATA.truth, DATA.detections)
    with pytest.raises(LabelAuditError, match=r"the size of 40 of 40 images is unknown \(first: 0\).*pass sizes="):
        unsized.to_label_studio(tmp_path / "t.json", images="x")
    sizes: Any = dict.fromkeys(range(40), (WIDTH, HEIGHT))
    unsized.to_label_studio(tmp_path / "t.json", images="x", sizes=sizes)
    with pytest.raises(LabelAuditError, match="say where the pictures are: images="):
        unsized.to_label_studio(tmp_path / "u.json", sizes=sizes)
    with pytest.raises(LabelAuditError, match="these ids are no paths"):
        unsized.to_fiftyone(tmp_path / "d", sizes=sizes)
    with pytest.raises(LabelAuditError, match="shape"):
        unsized.to_fiftyone(tmp_path / "d", images="x", sizes=np.ones((3, 2)))
    for method in (recorded.audit.to_cleanlab, recorded.audit.to_huggingface):
        with pytest.raises(LabelAuditError, match="this audit is of boxes"):
            method()
    recorded.audit.to_parquet(tmp_path / "boxes.parquet")
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "boxes.parquet")["label_quality"].to_frame(),
        recorded.audit.objects[["label_quality"]],
    )
    assert len(pd.read_parquet(tmp_path / "boxes.missing.parquet")) == len(recorded.audit.missing)


def test_corrections_are_the_sure_suggestions(recorded: Recorded) -> None:
    sure = recorded.audit.corrections(0.9)
    assert 0 < len(sure) <= recorded.audit.summary["n_flagged"]
    assert (sure["suggestion_confidence"] >= 0.9).all()
    assert sure["suggestion_confidence"].is_monotonic_decreasing
    assert set(sure["issue"]) <= {"class", "location", "spurious"}
    assert len(recorded.audit.corrections(0)) == recorded.audit.summary["n_flagged"]


def test_what_is_about_one_label_per_sample_says_so(recorded: Recorded, tmp_path: Path) -> None:
    audit = recorded.audit
    uses = (
        lambda: labelaudit.compare(audit, audit),
        lambda: labelaudit.relabel(tmp_path, audit, out=tmp_path / "new"),
        audit.plot_data_map,
        lambda: audit.plot_history("000.png"),
    )
    for use in uses:
        with pytest.raises(LabelAuditError, match="is about one label per sample, and this audit is of boxes"):
            use()


def test_the_report_in_a_notebook(recorded: Recorded) -> None:
    assert "iframe" in recorded.audit._repr_html_()


def test_a_named_audit_is_kept_with_the_history(recorded: Recorded, tmp_path: Path) -> None:
    run = shutil.copytree(recorded.run, tmp_path / "run")
    labelaudit.audit(run, key="first", missing_confidence=0.9)
    history = labelaudit.open_history(run)
    kept = history.runs.load("first")
    assert kept.info["missing_confidence"] == 0.9
    pd.testing.assert_frame_equal(kept.objects, recorded.audit.objects)
