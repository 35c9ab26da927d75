"""COCO, YOLO and Pascal VOC in, corrected annotations out, and back with undo."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import labelaudit
from labelaudit.detection.sources import read_boxes
from tests.detection.simulated import HEIGHT, WIDTH, simulate

DATA = simulate(n_images=30, epochs=2, seed=1)
NAMES = ["ant", "bee", "fly"]
SIZES = {str(image): (WIDTH, HEIGHT) for image in range(30)}


@pytest.fixture(scope="module")
def audited():
    return labelaudit.audit_detections(DATA.truth, DATA.detections)


def coco_file(path):
    images = [{"id": i, "file_name": f"{i}.jpg", "width": WIDTH, "height": HEIGHT} for i in range(31)]
    kinds = [{"id": 10 + number, "name": name} for number, name in enumerate(NAMES)]
    boxes = [
        {"id": 100 + n, "image_id": row.image_id, "category_id": 10 + NAMES.index(row.category), "iscrowd": 0,
         "bbox": [row.x, row.y, row.w, row.h], "area": row.w * row.h, "segmentation": [[1, 2, 3]], "mine": n}
        for n, row in enumerate(DATA.truth.itertuples())
    ]  # fmt: skip
    path.write_text(json.dumps({"images": images, "categories": kinds, "annotations": boxes, "info": {"by": "me"}}))
    return path


def coco_results(path, frame):
    path.write_text(
        json.dumps(
            [
                {"image_id": row.image_id, "category_id": 10 + NAMES.index(row.category),
                 "bbox": [row.x, row.y, row.w, row.h], "score": row.score}
                for row in frame.itertuples()
            ]
        )
    )  # fmt: skip
    return path


def epochs():
    return [part for _, part in DATA.detections.groupby("epoch")]


def yolo_folder(folder, frame):
    folder.mkdir(parents=True)
    for image in range(30):
        rows = frame[frame["image_id"] == image]
        lines = [
            " ".join(
                map(
                    str,
                    [
                        NAMES.index(row.category),
                        (row.x + row.w / 2) / WIDTH,
                        (row.y + row.h / 2) / HEIGHT,
                        row.w / WIDTH,
                        row.h / HEIGHT,
                        *([row.score] if "score" in frame else []),
                    ],
                )
            )
            for row in rows.itertuples()
        ]
        (folder / f"{image}.txt").write_text("\n".join(lines))
    (folder / "classes.txt").write_text("\n".join(NAMES))
    return folder


def voc_folder(folder):
    folder.mkdir()
    for image in range(30):
        items = "".join(
            f"<object><name>{row.category}</name><pose>Left</pose><bndbox><xmin>{row.x + 1}</xmin>"
            f"<ymin>{row.y + 1}</ymin>"
            f"<xmax>{row.x + row.w}</xmax><ymax>{row.y + row.h}</ymax></bndbox></object>"
            for row in DATA.truth[DATA.truth["image_id"] == image].itertuples()
        )
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
        (folder / f"{image}.xml").write_text(f"<annotation>{size}{items}</annotation>")
    return folder


def by_image(table):
    return table.assign(image_id=table["image_id"].astype(int)).sort_values("image_id", kind="stable")


def test_coco_gives_the_audit_of_the_frame(audited, tmp_path):
    paths = [coco_results(tmp_path / f"{n}.json", part) for n, part in enumerate(epochs())]
    found = labelaudit.audit_detections(coco_file(tmp_path / "truth.json"), paths)
    assert list(found.samples.index) == list(range(31))  # an image without boxes too
    assert found.objects["given_label"].tolist() == DATA.truth["category"].tolist()
    close = np.corrcoef(found.objects["label_quality"], audited.objects["label_quality"])[0, 1]
    assert close > 0.98  # the sizes of the pictures are known here


def test_yolo_sizes_from_pictures_beside_the_labels(tmp_path):
    folder = yolo_folder(tmp_path / "labels", DATA.truth)
    pictures = tmp_path / "images"
    pictures.mkdir()
    for image in range(30):
        Image.new("1", (WIDTH, HEIGHT)).save(pictures / f"{image}.png")
    found = read_boxes(folder, "ground_truth", "xywh")
    expected = by_image(DATA.truth)
    np.testing.assert_allclose(by_image(found.frame)[["x", "y", "w", "h"]], expected[["x", "y", "w", "h"]], atol=1e-3)
    drawn = [yolo_folder(tmp_path / f"epoch{n}", part) for n, part in enumerate(epochs())]
    table = labelaudit.audit_detections(folder, drawn, images=pictures).objects
    assert table["given_label"].isin(NAMES).all()
    assert len(table) == len(DATA.truth)


def test_yolo_without_sizes_says_what_to_pass(tmp_path):
    folder = yolo_folder(tmp_path / "boxes", DATA.truth)
    with pytest.raises(labelaudit.LabelAuditError, match="image_sizes="):
        read_boxes(folder, "ground_truth", "xywh")
    assert len(read_boxes(folder, "ground_truth", "xywh", image_sizes=SIZES).frame) == len(DATA.truth)


def test_voc_counts_from_one(tmp_path):
    found = read_boxes(voc_folder(tmp_path / "voc"), "ground_truth", "xywh")
    expected = by_image(DATA.truth)
    read = by_image(found.frame)
    np.testing.assert_allclose(read[["x", "y", "w", "h"]], expected[["x", "y", "w", "h"]], atol=1e-9)
    assert read["category"].tolist() == expected["category"].tolist()
    assert found.image_sizes["3"] == (WIDTH, HEIGHT)


def test_entities_in_xml_are_refused(tmp_path):
    folder = tmp_path / "voc"
    folder.mkdir()
    (folder / "a.xml").write_text(
        '<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/hostname">]><annotation>&b;</annotation>'
    )
    with pytest.raises(labelaudit.LabelAuditError, match="entities"):
        read_boxes(folder, "ground_truth", "xywh")


def test_corrected_coco_keeps_what_it_does_not_change(audited, tmp_path):
    path = coco_file(tmp_path / "truth.json")
    old = path.read_bytes()
    done = labelaudit.correct_boxes(path, audited, out=tmp_path / "new.json", copy_missing=True, remove_spurious=True)
    assert path.read_bytes() == old
    data = json.loads((tmp_path / "new.json").read_text())
    table, absent = audited.objects, audited.missing
    assert data["info"] == {"by": "me"}
    spurious = table["issue"] == "spurious"
    added = int(absent["is_label_issue"].sum())
    assert added
    assert len(data["annotations"]) == len(table) - len(done.removed) + added
    assert set(done.removed) == set(np.flatnonzero(spurious & (table["spurious_score"] >= 0.5)))
    kept = {one["mine"]: one for one in data["annotations"] if "mine" in one}
    for row in np.flatnonzero(
        (table["issue"] == "class") & (table["class_score"] >= 0.5) & table["suggested_label"].notna()
    ):
        assert kept[row]["category_id"] == 10 + NAMES.index(table["suggested_label"].iloc[row])
    for row in np.flatnonzero(table["issue"].isna()):
        assert kept[row] == json.loads(old)["annotations"][row]
    new = [one for one in data["annotations"] if "mine" not in one]
    assert len({one["id"] for one in data["annotations"]}) == len(data["annotations"])
    assert new[0]["bbox"] == pytest.approx(absent[["x", "y", "w", "h"]].iloc[0].tolist())


def test_the_names_that_the_audit_was_given_hold_when_boxes_are_corrected(tmp_path):
    numbers = {name: number for number, name in enumerate(NAMES)}
    truth, drawn = (one.assign(category=one["category"].map(numbers)) for one in (DATA.truth, DATA.detections))
    audit = labelaudit.audit_detections(truth, drawn, category_names=NAMES)
    audit.save(tmp_path / "audit")
    frames = [labelaudit.correct_boxes(truth, one).frame for one in (audit, labelaudit.load_audit(tmp_path / "audit"))]
    assert frames[0].equals(frames[1])
    changed = frames[0][frames[0]["change"] == "class"]
    assert len(changed)
    assert set(changed["category"]) <= set(numbers.values())


def test_nothing_is_overwritten_and_other_annotations_are_refused(audited, tmp_path):
    path = coco_file(tmp_path / "truth.json")
    with pytest.raises(labelaudit.LabelAuditError, match="never overwritten"):
        labelaudit.correct_boxes(path, audited, out=path)
    with pytest.raises(labelaudit.LabelAuditError, match="not the one that was audited"):
        labelaudit.correct_boxes(DATA.truth.assign(x=DATA.truth["x"] + 3), audited)
    with pytest.raises(labelaudit.LabelAuditError, match="not those that were audited"):
        labelaudit.correct_boxes(DATA.truth.iloc[1:], audited)


def test_in_place_with_undo_for_every_format(audited, tmp_path):
    order = np.argsort([str(image) for image in DATA.truth["image_id"]], kind="stable")
    sorted_truth = DATA.truth.iloc[order].assign(image_id=lambda frame: frame["image_id"].astype(str))
    drawn = DATA.detections.assign(image_id=DATA.detections["image_id"].astype(str))
    in_order = labelaudit.audit_detections(sorted_truth, drawn)
    sources = {
        "coco": (coco_file(tmp_path / "truth.json"), audited),
        "voc": (voc_folder(tmp_path / "voc"), in_order),
        "yolo": (yolo_folder(tmp_path / "yolo", DATA.truth), in_order),
    }
    for kind, (path, audit) in sources.items():
        files = [path] if path.is_file() else sorted(path.iterdir())
        old = [file.read_bytes() for file in files]
        before = read_boxes(path, kind, "xywh", image_sizes=SIZES).frame
        done = labelaudit.correct_boxes(path, audit, in_place=True, copy_missing=True, image_sizes=SIZES)
        after = read_boxes(path, kind, "xywh", image_sizes=SIZES).frame
        assert len(after) == len(before) + audit.missing["is_label_issue"].sum()
        assert (done.frame["change"] != "").any()
        assert [file.read_bytes() for file in files] != old
        assert labelaudit.undo_relabel(done.undo_log) > 0
        assert [file.read_bytes() for file in files] == old


@pytest.mark.parametrize("kind", ["coco", "yolo", "voc"])
def test_a_frame_written_in_every_format_reads_back(audited, tmp_path, kind):
    out = tmp_path / ("new.json" if kind == "coco" else "new")
    sizes = dict.fromkeys(range(30), (WIDTH, HEIGHT))
    done = labelaudit.correct_boxes(DATA.truth, audited, out=out, format=kind, image_sizes=sizes, copy_missing=True)
    found = read_boxes(out, "new", "xywh", image_sizes=SIZES)
    names = found.category_names
    got = by_image(found.frame.assign(category=[names[of] if names else of for of in found.frame["category"]]))
    expected = by_image(done.frame)
    np.testing.assert_allclose(got[["x", "y", "w", "h"]], expected[["x", "y", "w", "h"]], atol=1e-3)
    assert got["category"].tolist() == expected["category"].tolist()


def test_a_frame_alone_gives_the_corrected_frame(audited):
    done = labelaudit.correct_boxes(DATA.truth, audited, boxes=False)
    assert set(done.frame["change"]) == {"", "class"}
    assert "classes" in str(done)
    pd.testing.assert_frame_equal(done.frame[["x", "y"]], DATA.truth[["x", "y"]])
