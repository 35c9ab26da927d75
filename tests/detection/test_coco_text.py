"""A correction changes what it is about in a COCO file; every other character stays."""

import codecs
import json

import pytest

import labelaudit
from labelaudit.detection.coco_text import edited
from tests.detection.simulated import simulate

BEFORE = [
    {"id": 7, "bbox": [1, 2.50, 3e1, 4], "category_id": 1, "area": 120, "segmentation": [[1, 2, 3]], "image_id": 5},
    {"id": 9, "bbox": [10, 20, 30, 40], "category_id": 2, "image_id": 5, "mine": {"a": [1, 2]}},
]
NEW = {"id": 10, "image_id": 6, "category_id": 2, "bbox": [0.5, 1.0, 2.0, 3.0], "area": 6.0, "iscrowd": 0}
MOVED = {"id": 7, "bbox": [1, 2.5, 31.0, 4], "category_id": 1, "area": 124.0, "image_id": 5}
RECLASSED = BEFORE[1] | {"category_id": 3}

BY_HAND = """{ "annotations" : [
  {"id":7,  "bbox":[1,2.50,3e1,4],"category_id": 1,"area" : 120,
    "segmentation":[[1,2,3]], "image_id":5},
  {"id":9,  "bbox":[10,20,30,40],"category_id": 2,"image_id":5,"mine":{"a":[1,2]}}
],"info": {"z":1.0, "a":"\\u00fc"} }
"""


def text_of(layout):
    return {
        "compact": lambda whole: json.dumps(whole, separators=(",", ":")),
        "one line": json.dumps,
        "indented": lambda whole: json.dumps(whole, indent=2) + "\n",
        "windows": lambda whole: json.dumps(whole, indent="\t").replace("\n", "\r\n"),
        "one annotation a line": lambda whole: json.dumps(whole).replace("}, {", "},\n{"),
    }[layout]


LAYOUTS = ["compact", "one line", "indented", "windows", "one annotation a line"]
EDITS = {
    "moved": ({0: MOVED, 1: BEFORE[1]}, []),
    "another class": ({0: BEFORE[0], 1: RECLASSED}, []),
    "both, and one more": ({0: MOVED, 1: RECLASSED}, [NEW]),
    "first taken away": ({1: BEFORE[1]}, []),
    "last taken away": ({0: BEFORE[0]}, []),
    "last taken away, and two more": ({0: BEFORE[0]}, [NEW, NEW | {"id": 11}]),
    "all taken away": ({}, []),
    "all taken away, and two more": ({}, [NEW, NEW | {"id": 11}]),
}


def in_order(annotations):
    """New annotations have the order of members of those before."""
    names = ["id", "bbox", "category_id", "area", "segmentation", "image_id", "mine", "iscrowd"]
    last = [*BEFORE[1], *names]
    return [
        {name: one[name] for name in sorted(one, key=last.index)} if "iscrowd" in one else one for one in annotations
    ]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("bare", [False, True])
def test_the_result_is_the_file_as_its_tool_would_have_written_it(layout, edit, bare):
    kept, new = EDITS[edit]

    def whole(annotations):
        return annotations if bare else {"info": {}, "annotations": annotations, "images": []}

    found = edited(text_of(layout)(whole(BEFORE)), BEFORE, kept, new)
    wanted = whole([*kept.values(), *in_order(new)])
    assert json.loads(found) == wanted
    if kept:
        assert found == text_of(layout)(wanted)


@pytest.mark.parametrize("space", ["", " ", "\n  "])
def test_the_first_annotations_of_a_file(space):
    found = edited(f'{{"annotations": [{space}]}}', [], {}, [NEW])
    assert json.loads(found) == {"annotations": [NEW]}


def test_spaces_numbers_and_the_order_of_members_stay():
    """Between the members of a new annotation stands what does so after the first of the annotation before."""
    found = edited(BY_HAND, BEFORE, {0: MOVED, 1: RECLASSED}, [NEW])
    last = '"mine":{"a":[1,2]}}'
    assert found == (
        BY_HAND.replace("3e1", "31.0")
        .replace('"area" : 120,\n    "segmentation":[[1,2,3]], ', '"area" : 124.0, ')
        .replace('"category_id": 2', '"category_id": 3')
        .replace(
            last,
            last
            + ',\n  {"id":10,  "bbox":[0.5,1.0,2.0,3.0],  "category_id":2,  "image_id":6,  "area":6.0,  "iscrowd":0}',
        )
    )


SCENES = simulate(n_images=60, epochs=3, seed=4)
NAMES = {"ant": 3, "bee": 40, "fly": 900}


@pytest.fixture(scope="module")
def audit():
    return labelaudit.audit_detections(SCENES.truth, SCENES.detections)


def coco(**changes):
    boxes = [
        {"segmentation": [[1, 2, 3, 4, 5, 6]], "id": n, "image_id": row.image_id, "category_id": NAMES[row.category],
         "bbox": [row.x, row.y, row.w, row.h], "score of mine": float("nan")} | changes
        for n, row in enumerate(SCENES.truth.itertuples())
    ]  # fmt: skip
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 640, "height": 480} for i in range(60)]
    return {"images": images, "annotations": boxes, "categories": [{"id": v, "name": k} for k, v in NAMES.items()]}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_annotations_without_a_correction_stay(audit, tmp_path, layout, encoding):
    path, out = tmp_path / "in.json", tmp_path / "out.json"
    path.write_bytes(text_of(layout)(coco()).encode(encoding))
    done = labelaudit.correct_boxes(path, audit, out=out, remove_spurious=True, copy_missing=True)
    assert {"class", "location", "missing"} <= set(done.frame["change"])
    assert done.removed
    assert out.read_bytes().startswith(codecs.BOM_UTF8) == (encoding == "utf-8-sig")
    before, after = coco(), json.loads(out.read_bytes())
    assert list(after) == list(before)
    rows = done.frame[done.frame["row"] >= 0]
    wanted = [before["annotations"][row] for row in rows["row"]]
    for one, row in zip(wanted, rows.itertuples(), strict=True):
        if row.change == "class":
            one["category_id"] = row.category
        elif row.change == "location":
            one["bbox"] = [row.x, row.y, row.w, row.h]
            del one["segmentation"]
    kept = {**before, "annotations": wanted}
    added = after["annotations"][len(wanted) :]
    assert len(added) == (done.frame["change"] == "missing").sum()
    names = ["id", "image_id", "category_id", "bbox", "area", "iscrowd"]
    assert [list(one) for one in added] == [names] * len(added)
    kept["annotations"] = [*wanted, *added]
    assert out.read_bytes().decode(encoding) == text_of(layout)(kept)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_without_a_correction_keeps_every_byte(tmp_path, layout):
    path, out = tmp_path / "in.json", tmp_path / "out.json"
    path.write_text(text_of(layout)(coco()))
    found = labelaudit.audit_detections(path, SCENES.detections, threshold=0.0)
    labelaudit.correct_boxes(path, found, out=out)
    assert out.read_bytes() == path.read_bytes()


def test_ids_of_categories_that_are_text_stay_text(tmp_path):
    whole = coco()
    for one in whole["annotations"]:
        one["category_id"] = str(one["category_id"])
    path, out = tmp_path / "in.json", tmp_path / "out.json"
    path.write_text(json.dumps(whole))
    found = labelaudit.audit_detections(path, SCENES.detections)
    done = labelaudit.correct_boxes(path, found, out=out, copy_missing=True)
    after = json.loads(out.read_bytes())["annotations"]
    assert [int(one["category_id"]) for one in after] == done.frame["category"].tolist()
    assert {type(one["category_id"]) for one in after} == {str}


def test_a_file_without_categories_keeps_its_names(audit, tmp_path):
    whole = coco()
    for one, kind in zip(whole["annotations"], SCENES.truth["category"], strict=True):
        one["category_id"] = kind
    path, out = tmp_path / "in.json", tmp_path / "out.json"
    path.write_text(json.dumps(whole["annotations"]))
    done = labelaudit.correct_boxes(path, audit, out=out, copy_missing=True)
    assert (done.frame["change"] == "class").any()
    assert [one["category_id"] for one in json.loads(out.read_bytes())] == done.frame["category"].tolist()


def test_a_member_that_an_annotation_has_twice(audit, tmp_path):
    """What JSON's readers take is the last one; the file is then written anew."""
    path, out = tmp_path / "in.json", tmp_path / "out.json"
    path.write_text(json.dumps(coco()).replace('"image_id"', '"category_id": 3, "image_id"'))
    done = labelaudit.correct_boxes(path, audit, out=out)
    after = json.loads(out.read_bytes())["annotations"]
    assert [one["category_id"] for one in after] == done.frame["category"].tolist()
