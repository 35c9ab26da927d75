"""Files as they are found: ids as text, half of the pictures listed, numbers that are none."""

import json

import pytest

import labelaudit
from labelaudit.detection.sources import read_boxes
from tests.detection.simulated import HEIGHT, WIDTH, simulate

DATA = simulate(n_images=12, epochs=1, seed=2, rate=0.1)
NAMES = {"ant": 1, "bee": 18, "fly": 90}


def whole():
    """A COCO file as Python has it."""
    boxes = [
        {"id": n, "image_id": row.image_id, "category_id": NAMES[row.category], "bbox": [row.x, row.y, row.w, row.h]}
        for n, row in enumerate(DATA.truth.itertuples())
    ]
    images = [{"id": i, "file_name": f"{i}.jpg", "width": WIDTH, "height": HEIGHT} for i in range(12)]
    return {"images": images, "annotations": boxes, "categories": [{"id": v, "name": k} for k, v in NAMES.items()]}


def coco(folder, data, name="truth.json"):
    (folder / name).write_text(json.dumps(data))
    return folder / name


def results():
    return [
        {"image_id": row.image_id, "category_id": NAMES[row.category], "bbox": [row.x, row.y, row.w, row.h],
         "score": row.score}
        for row in DATA.detections.itertuples()
    ]  # fmt: skip


def as_text(rows, name):
    return [row | {name: str(row[name])} for row in rows]


def test_numbers_of_categories_that_are_text(tmp_path):
    plain = whole()
    wanted = labelaudit.audit_detections(coco(tmp_path, plain), coco(tmp_path, results(), "drawn.json"))
    for truth, drawn in ((True, False), (False, True), (True, True)):
        data = plain | {"annotations": as_text(plain["annotations"], "category_id")} if truth else plain
        data = data | {"categories": as_text(plain["categories"], "id")} if truth and drawn else data
        boxes = as_text(results(), "category_id") if drawn else results()
        found = labelaudit.audit_detections(coco(tmp_path, data), coco(tmp_path, boxes, "drawn.json"))
        assert found.objects["given_label"].tolist() == wanted.objects["given_label"].tolist()
        assert found.objects["label_quality"].tolist() == wanted.objects["label_quality"].tolist()


def test_categories_whose_names_are_numbers(tmp_path):
    """Text is a name where there is one: here class 1 is called 2, and class 2 is called 1."""
    kinds = {1: "2", 2: "1"}
    truth = DATA.truth.assign(category=[{"ant": 1}.get(kind, 2) for kind in DATA.truth["category"]])
    drawn = DATA.detections.assign(category=[{"ant": "2"}.get(kind, "1") for kind in DATA.detections["category"]])
    numbers = DATA.detections.assign(category=[{"ant": 1}.get(kind, 2) for kind in DATA.detections["category"]])
    found, wanted = (labelaudit.audit_detections(truth, one, category_names=kinds) for one in (drawn, numbers))
    assert found.objects["label_quality"].tolist() == wanted.objects["label_quality"].tolist()


def test_two_categories_of_one_id_are_an_error(tmp_path):
    data = whole()
    data["categories"].append({"id": 90, "name": "gnat"})
    with pytest.raises(labelaudit.LabelAuditError, match=r"^[^(]*'fly' and 'gnat' both have the id 90"):
        read_boxes(coco(tmp_path, data), "ground_truth", "xywh")
    data["categories"][-1]["name"] = "fly"
    assert len(read_boxes(coco(tmp_path, data), "ground_truth", "xywh").category_names) == 3


@pytest.mark.parametrize("box", [None, [], "absent"])
def test_an_annotation_without_a_box_is_named(tmp_path, box):
    data = whole()
    data["annotations"][3] = data["annotations"][3] | {"bbox": box, "id": 77}
    if box == "absent":
        del data["annotations"][3]["bbox"]
    with pytest.raises(labelaudit.LabelAuditError, match="annotation 77 has no bbox; expected four numbers"):
        read_boxes(coco(tmp_path, data), "ground_truth", "xywh")


@pytest.mark.parametrize("width", [float("nan"), float("inf"), -640, 0, None])
def test_a_width_that_is_none_is_unknown(tmp_path, width):
    data = whole()
    data["images"][2]["width"] = width
    sizes = read_boxes(coco(tmp_path, data), "ground_truth", "xywh").image_sizes
    assert set(sizes) == set(range(12)) - {2}


def test_detections_on_pictures_that_the_annotations_do_not_list_are_left_out(tmp_path):
    """They would all look like missing objects, and be added to a picture that the file has not."""
    data = whole()
    data["images"] = data["images"][:9]
    data["annotations"] = [one for one in data["annotations"] if one["image_id"] < 9]
    path = coco(tmp_path, data)
    found = labelaudit.audit_detections(path, coco(tmp_path, results(), "drawn.json"))
    few = coco(tmp_path, [one for one in results() if one["image_id"] < 9], "few.json")
    wanted = labelaudit.audit_detections(path, few)
    assert found.objects.equals(wanted.objects)
    assert found.missing.equals(wanted.missing)
    assert list(found.samples.index) == list(range(9))
    number = sum(one["image_id"] >= 9 for one in results())
    assert f"{number:,} detections are on 3 images that {path} does not list" in " ".join(found.summary.notes)
    labelaudit.correct_boxes(path, found, out=tmp_path / "out.json", copy_missing=True)
    labelaudit.audit_detections(tmp_path / "out.json", few)


@pytest.mark.parametrize(("old", "new", "message"), [
    ("<xmin>5", "<xmin>nan", "bndbox/xmin is 'nan'; expected a number"),
    ("<ymax>9", "<ymax>inf", "bndbox/ymax is 'inf'"),
    ("<width>20", "<width>wide", "size/width is 'wide'"),
])  # fmt: skip
def test_voc_numbers_that_are_none(tmp_path, old, new, message):
    box = "<bndbox><xmin>5</xmin><ymin>5</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>"
    size = "<size><width>20</width><height>20</height></size>"
    text = f"<annotation>{size}<object><name>a</name>{box}</object></annotation>"
    (tmp_path / "0.xml").write_text(text.replace(old, new))
    with pytest.raises(labelaudit.LabelAuditError, match=message):
        read_boxes(tmp_path, "ground_truth", "xywh")


@pytest.mark.parametrize("size", ["", "<size/>", "<size><width></width><height> </height></size>",
                                  "<size><width>0</width><height>0</height></size>",
                                  "<size><width>-5</width><height>7</height></size>"])  # fmt: skip
def test_voc_without_a_size(tmp_path, size):
    (tmp_path / "0.xml").write_text(f"<annotation>{size}</annotation>")
    assert read_boxes(tmp_path, "ground_truth", "xywh").image_sizes == {}
