"""A folder of pictures is enough where the annotations name the files."""

import json

import pytest
from PIL import Image

import labelaudit
from labelaudit.detection.exporting.pictures import names_for
from labelaudit.detection.findings.issues import issues_of
from labelaudit.detection.findings.scenes import Scenes
from tests.detection.simulated import HEIGHT, WIDTH, simulate

NAMES = {"ant": 1, "bee": 2, "fly": 3}
DATA = simulate(n_images=12, epochs=1, seed=2, rate=0.1)


def picture_of(image):
    return f"part {image % 2}/{image}.png"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("pictures")
    for image in range(12):
        (place / picture_of(image)).parent.mkdir(exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT), (image, 0, 0)).save(place / picture_of(image))
    return place


@pytest.fixture(scope="module", params=["made", "loaded"])
def audit(request, tmp_path_factory):
    """COCO with ids that are no names: 500, 501, ..."""
    place = tmp_path_factory.mktemp("coco")
    images = [{"id": 500 + i, "file_name": picture_of(i), "width": WIDTH, "height": HEIGHT} for i in range(12)]

    def rows(frame):
        return [
            {"image_id": 500 + row.image_id, "category_id": NAMES[row.category], "score": getattr(row, "score", 1.0),
             "bbox": [row.x, row.y, row.w, row.h]}
            for row in frame.itertuples()
        ]  # fmt: skip

    kinds = [{"id": number, "name": name} for name, number in NAMES.items()]
    truth = {"images": images, "annotations": rows(DATA.truth), "categories": kinds}
    (place / "truth.json").write_text(json.dumps(truth))
    (place / "drawn.json").write_text(json.dumps(rows(DATA.detections)))
    made = labelaudit.audit_detections(place / "truth.json", place / "drawn.json", expected_error_rate=0.1)
    if request.param == "made":
        return made
    made.save(place / "audit")
    return labelaudit.load_audit(place / "audit")


def test_names(audit):
    assert audit.samples["file_name"].tolist() == [picture_of(image) for image in range(12)]
    assert names_for(audit, "folder").tolist() == audit.samples["file_name"].tolist()
    assert names_for(audit, {}).tolist() == list(range(500, 512))


def test_the_report_and_the_review_find_every_picture(audit, folder, tmp_path):
    report = audit.to_html(tmp_path / "report.html", images=folder)
    assert not any("picture" in note for note in report.notes), report.notes
    issues = issues_of(audit)
    scenes = Scenes(audit, issues, str(folder))
    for position, image in enumerate(issues.image.tolist()):
        assert scenes.piece(position).getpixel((0, 0))[0] == image - 500


def test_exports_name_the_pictures(audit, folder, tmp_path):
    audit.to_fiftyone(tmp_path / "fiftyone", images=folder)
    samples = json.loads((tmp_path / "fiftyone" / "samples.json").read_text())["samples"]
    assert [one["filepath"] for one in samples] == [str(folder / picture_of(image)) for image in range(12)]
    audit.to_label_studio(tmp_path / "tasks.json", images="https://x.org/pictures", issues_only=False)
    tasks = json.loads((tmp_path / "tasks.json").read_text())
    assert [one["data"]["image"] for one in tasks] == [
        f"https://x.org/pictures/part%20{image % 2}/{image}.png" for image in range(12)
    ]
    named = {500 + image: f"s3://mine/{image}.png" for image in range(12)}
    audit.to_label_studio(tmp_path / "named.json", images=named, issues_only=False)
    tasks = json.loads((tmp_path / "named.json").read_text())
    assert [one["data"]["image"] for one in tasks] == list(named.values())
