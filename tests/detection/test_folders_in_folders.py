"""Labels in folders of folders, where two pictures may have one name."""

import json

import pytest
from PIL import Image

import labelaudit
from labelaudit.detection.sources import read_boxes
from tests.detection.simulated import HEIGHT, WIDTH, simulate

NAMES = ["ant", "bee", "fly"]
DATA = simulate(n_images=12, epochs=2, seed=1, rate=0.1)
IDS = {image: f"{'train' if image % 2 else 'val'}/clip.{image // 2}" for image in range(12)}
TRUTH = DATA.truth.assign(image_id=DATA.truth["image_id"].map(IDS))
DRAWN = DATA.detections.assign(image_id=DATA.detections["image_id"].map(IDS))
SIZES = dict.fromkeys(IDS.values(), (WIDTH, HEIGHT))


def yolo_line(row):
    sides = (row.x + row.w / 2) / WIDTH, (row.y + row.h / 2) / HEIGHT, row.w / WIDTH, row.h / HEIGHT
    return " ".join(map(str, [NAMES.index(row.category), *sides])) + "\n"


def voc_object(row):
    corners = {"xmin": row.x + 1, "ymin": row.y + 1, "xmax": row.x + row.w, "ymax": row.y + row.h}
    box = "".join(f"<{name}>{value}</{name}>" for name, value in corners.items())
    return f"<object><name>{row.category}</name><bndbox>{box}</bndbox></object>"


def labels(folder, kind):
    for image in IDS.values():
        rows = TRUTH[TRUTH["image_id"] == image].itertuples()
        if kind == "yolo":
            text = "".join(map(yolo_line, rows))
        else:
            name = f"<filename>{image.split('/')[1]}.png</filename>"
            text = f"<annotation>{name}{''.join(map(voc_object, rows))}</annotation>"
        path = folder / f"{image}{'.txt' if kind == 'yolo' else '.xml'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        hidden = path.parent / ".ipynb_checkpoints" / path.name
        hidden.parent.mkdir(exist_ok=True)
        hidden.write_text("what an editor keeps")
    if kind == "yolo":
        (folder / "classes.txt").write_text("\n".join(NAMES))
        (folder / "val" / "classes.txt").write_text("of a tool")
    return folder


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".ipynb_checkpoints" not in path.parts
    }


@pytest.mark.parametrize("kind", ["yolo", "voc"])
def test_every_file_is_read_and_corrected_in_its_place(tmp_path, kind):
    folder = labels(tmp_path / "labels", kind)
    found = labelaudit.audit_detections(folder, DRAWN, image_sizes=SIZES, expected_error_rate=0.1)
    assert set(found.objects["image_id"]) == set(IDS.values())
    assert len(found.objects) == len(TRUTH)
    old = contents(folder)
    done = labelaudit.correct_boxes(folder, found, out=tmp_path / "new", image_sizes=SIZES)
    new = contents(tmp_path / "new")
    assert sorted(new) == sorted(old)
    changed = {row.image_id for row in done.frame.itertuples() if row.change}
    assert {name.rsplit(".", 1)[0] for name in new if new[name] != old[name]} == changed
    assert {image.split("/")[0] for image in changed} == {"train", "val"}
    in_place = labelaudit.correct_boxes(folder, found, in_place=True, image_sizes=SIZES)
    assert contents(folder) == new
    labelaudit.undo_relabel(in_place.undo_log)
    assert contents(folder) == old


def test_sizes_come_from_pictures_in_the_same_folders(tmp_path):
    folder = labels(tmp_path / "labels", "yolo")
    for number, image in enumerate(IDS.values()):
        path = tmp_path / "images" / f"{image}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("1", (WIDTH + number, HEIGHT)).save(path)
    found = read_boxes(folder, "ground_truth", "xywh")
    assert found.image_sizes == {image: (WIDTH + number, HEIGHT) for number, image in enumerate(IDS.values())}
    assert found.pictures == {image: f"{image}.png" for image in IDS.values()}


def test_other_formats_name_the_folders(tmp_path):
    folder = labels(tmp_path / "labels", "voc")
    found = labelaudit.audit_detections(folder, DRAWN, image_sizes=SIZES)
    assert sorted(found.samples["file_name"]) == sorted(f"{image}.png" for image in IDS.values())
    labelaudit.correct_boxes(folder, found, out=tmp_path / "out.json", format="coco")
    images = json.loads((tmp_path / "out.json").read_text())["images"]
    assert {one["file_name"] for one in images} == {f"{image}.png" for image in IDS.values()}
    labelaudit.correct_boxes(folder, found, out=tmp_path / "yolo", format="yolo", image_sizes=SIZES)
    assert sorted(contents(tmp_path / "yolo")) == sorted([*(f"{image}.txt" for image in IDS.values()), "classes.txt"])


def test_two_files_of_one_picture_in_a_folder_are_an_error(tmp_path):
    folder = labels(tmp_path / "labels", "yolo")
    (folder / "val" / "clip.1.TXT").write_text("")
    with pytest.raises(labelaudit.LabelAuditError, match=r"both labels of the picture 'val/clip\.1'"):
        read_boxes(folder, "ground_truth", "xywh", image_sizes=SIZES)
