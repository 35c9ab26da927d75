"""Which file a correction is written to, and that everything else in the files stays."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import labelaudit
from labelaudit.cli import main
from labelaudit.detection.sources import read_boxes
from labelaudit.history.folder import _LocalFolder
from tests.detection.simulated import HEIGHT, WIDTH, simulate

NAMES = ["ant", "bee", "fly"]
DATA = simulate(n_images=12, epochs=2, seed=1, rate=0.1)
IDS = {image: f"clip.{image:03d}" for image in range(12)}
ORDER = DATA.truth["image_id"].argsort(kind="stable")
TRUTH = DATA.truth.iloc[ORDER].assign(image_id=lambda frame: frame["image_id"].map(IDS)).reset_index(drop=True)
DRAWN = DATA.detections.assign(image_id=DATA.detections["image_id"].map(IDS))
SIZES = dict.fromkeys(IDS.values(), (WIDTH, HEIGHT))


@pytest.fixture(scope="module")
def audit():
    return labelaudit.audit_detections(TRUTH, DRAWN, image_sizes=SIZES)


def yolo(folder, suffix=".txt", end="\n", mark=""):
    folder.mkdir()
    for image in IDS.values():
        lines = [
            f"{NAMES.index(row.category)} {(row.x + row.w / 2) / WIDTH:.9f} {(row.y + row.h / 2) / HEIGHT:.9f} "
            f"{row.w / WIDTH:.9f} {row.h / HEIGHT:.9f}{end}"
            for row in TRUTH[TRUTH["image_id"] == image].itertuples()
        ]
        (folder / f"{image}{suffix}").write_bytes((mark + "".join(lines)).encode())
    (folder / "classes.txt").write_bytes((mark + end.join(NAMES)).encode())
    return folder


def voc(folder, suffix=".xml", encoding="utf-8"):
    folder.mkdir()
    for image in IDS.values():
        items = "".join(
            f"<object><!-- who: me --><name>{row.category}</name><bndbox><xmin>{row.x + 1}</xmin>"
            f"<ymin>{row.y + 1}</ymin><xmax>{row.x + row.w}</xmax><ymax>{row.y + row.h}</ymax></bndbox></object>"
            for row in TRUTH[TRUTH["image_id"] == image].itertuples()
        )
        head = f'<?xml version="1.0" encoding="{encoding}"?>\n<!-- before -->\n<annotation>'
        body = f"<!-- by Zoë --><?tool 1?><filename>{image}.jpg</filename>{items}</annotation>\n<!-- after -->\n"
        (folder / f"{image}{suffix}").write_bytes((head + body).encode(encoding))
    return folder


def coco(path, pictures):
    images = [
        {"id": 7 * n, "file_name": name, "width": WIDTH, "height": HEIGHT} for n, name in enumerate(pictures.values())
    ]
    numbers = {IDS[image]: 7 * n for n, image in enumerate(pictures)}
    boxes = [
        {"id": n, "image_id": numbers[row.image_id], "category_id": 10 * (1 + NAMES.index(row.category)),
         "bbox": [row.x, row.y, row.w, row.h]}
        for n, row in enumerate(TRUTH.itertuples())
    ]  # fmt: skip
    kinds = [{"id": 10 * (1 + number), "name": name} for number, name in enumerate(NAMES)]
    path.write_text(json.dumps({"images": images, "categories": kinds, "annotations": boxes}))
    return path


def as_coco(audit):
    """The audit of TRUTH as one of the file that ``coco`` writes."""
    numbers = {name: 7 * n for n, name in enumerate(IDS.values())}
    found = labelaudit.audit_detections(
        TRUTH.assign(image_id=TRUTH["image_id"].map(numbers)), DRAWN.assign(image_id=DRAWN["image_id"].map(numbers))
    )
    assert len(found.objects) == len(audit.objects)
    return found


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def changed_images(done):
    return {row.image_id for row in done.frame.itertuples() if row.change}


WRITERS = {
    "yolo": yolo,
    "YOLO in capitals": lambda folder: yolo(folder, ".TXT"),
    "yolo of Windows": lambda folder: yolo(folder, end="\r\n", mark="\ufeff"),
    "voc": voc,
    "VOC in capitals": lambda folder: voc(folder, ".XML"),
    "voc in Latin 1": lambda folder: voc(folder, encoding="iso-8859-1"),
    "voc in UTF-16": lambda folder: voc(folder, encoding="utf-16"),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_every_file_keeps_its_name_and_those_without_a_correction_their_bytes(audit, tmp_path, kind):
    folder = WRITERS[kind](tmp_path / "labels")
    old = contents(folder)
    done = labelaudit.correct_boxes(folder, audit, out=tmp_path / "new", image_sizes=SIZES)
    new = contents(tmp_path / "new")
    assert contents(folder) == old
    assert sorted(new) == sorted(old)
    assert {Path(name).stem for name in new if new[name] != old[name]} == changed_images(done)
    assert 0 < len(changed_images(done)) < len(IDS)
    after = read_boxes(tmp_path / "new", "new", "xywh", image_sizes=SIZES)
    np.testing.assert_allclose(after.frame[["x", "y", "w", "h"]], done.frame[["x", "y", "w", "h"]], atol=1e-3)
    in_place = labelaudit.correct_boxes(folder, audit, in_place=True, image_sizes=SIZES)
    assert contents(folder) == new
    assert labelaudit.undo_relabel(in_place.undo_log) == len(changed_images(done))
    assert contents(folder) == old


def test_crowds_that_the_training_never_saw_stay_as_they_are(audit, tmp_path):
    path = coco(tmp_path / "truth.json", IDS)
    data = json.loads(path.read_text())
    outline = {"counts": [3, 4], "size": [5, 6]}
    crowds = [
        {"id": 900 + n, "image_id": 7 * (n % 12), "category_id": 10, "bbox": [5 * n, 2, 300, 90], "iscrowd": 1,
         "area": 9, "segmentation": outline}
        for n in range(5)
    ]  # fmt: skip
    for n, crowd in enumerate(crowds):
        data["annotations"].insert(13 * n, crowd)  # the first of all among them
    path.write_text(json.dumps(data))
    numbers = {name: data["images"][n]["id"] for n, name in enumerate(IDS.values())}
    seen, drawn = (frame.assign(image_id=frame["image_id"].map(numbers)) for frame in (TRUTH, DRAWN))
    found = labelaudit.audit_detections(seen, drawn)
    done = labelaudit.correct_boxes(path, found, out=tmp_path / "new.json", remove_spurious=True)
    assert (done.frame["change"] != "").sum() > 3
    after = {one["id"]: one for one in json.loads((tmp_path / "new.json").read_text())["annotations"]}
    assert [after[crowd["id"]] for crowd in crowds] == crowds
    before = {one["id"]: one for one in data["annotations"]}
    flagged = found.objects[found.objects["issue"] == "class"]
    changed = {of for of, one in after.items() if of in before and one["category_id"] != before[of]["category_id"]}
    assert changed == set(flagged.index[flagged["class_score"] >= 0.5].tolist()), "the ids there number the boxes"
    data["annotations"][0]["iscrowd"] = 0
    path.write_text(json.dumps(data))
    with pytest.raises(labelaudit.LabelAuditError, match=f"has {len(TRUTH) + 5} boxes, the audit {len(TRUTH)}"):
        labelaudit.correct_boxes(path, found)


@pytest.mark.parametrize("kind", ["yolo", "voc", "coco"])
def test_in_place_with_nothing_to_change_leaves_no_log(audit, tmp_path, kind):
    if kind == "coco":
        place, found = tmp_path / "truth.json", audit
        images = [{"id": name, "file_name": f"{name}.jpg", "width": WIDTH, "height": HEIGHT} for name in IDS.values()]
        kinds = [{"id": number, "name": name} for number, name in enumerate(NAMES)]
        boxes = [
            {
                "id": n,
                "image_id": row.image_id,
                "category_id": NAMES.index(row.category),
                "bbox": [row.x, row.y, row.w, row.h],
            }
            for n, row in enumerate(TRUTH.itertuples())
        ]
        place.write_text(json.dumps({"images": images, "categories": kinds, "annotations": boxes}))
    else:
        place, found = WRITERS[kind](tmp_path / "labels"), audit
    options = {"in_place": True, "image_sizes": SIZES}
    old = everything(tmp_path)
    none = labelaudit.correct_boxes(place, found, min_confidence=1.0, **options)
    assert (none.out, none.undo_log) == (None, None)
    assert "nothing to change, so nothing was written" in repr(none)
    assert everything(tmp_path) == old
    done = labelaudit.correct_boxes(place, found, undo_log=tmp_path / "undo.jsonl", **options)
    assert "nothing to change" not in repr(done)
    assert everything(tmp_path).keys() == old.keys() | {"undo.jsonl"}
    assert labelaudit.undo_relabel(tmp_path / "undo.jsonl") > 0
    (tmp_path / "undo.jsonl").unlink()
    assert everything(tmp_path) == old


def everything(folder):
    return {str(one.relative_to(folder)): one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def test_lines_and_line_ends_without_a_correction_stay(audit, tmp_path):
    folder = yolo(tmp_path / "labels", end="\r\n", mark="\ufeff")
    done = labelaudit.correct_boxes(folder, audit, out=tmp_path / "new", boxes=False, image_sizes=SIZES)
    for image in changed_images(done):
        before, after = ((place / f"{image}.txt").read_bytes() for place in (folder, tmp_path / "new"))
        assert after.startswith(b"\xef\xbb\xbf")
        assert after.endswith(b"\r\n")
        for old, new in zip(before[3:].splitlines(), after[3:].splitlines(), strict=True):
            assert old[1:] == new[1:]  # a class is corrected, its numbers stay to the last digit


@pytest.mark.parametrize("encoding", ["utf-8", "iso-8859-1"])
def test_comments_in_voc_stay(audit, tmp_path, encoding):
    folder = voc(tmp_path / "labels", encoding=encoding)
    done = labelaudit.correct_boxes(folder, audit, out=tmp_path / "new")
    for image in changed_images(done):
        text = (tmp_path / "new" / f"{image}.xml").read_bytes().decode(encoding)
        assert text.startswith(f'<?xml version="1.0" encoding="{encoding}"?>\n<!-- before -->\n<annotation>')
        assert text.endswith("</annotation>\n<!-- after -->\n")
        assert "<?tool 1?>" in text
        assert text.count("<!-- who: me -->") == text.count("<object>")
        assert "<!-- by Zo" in text


@pytest.mark.parametrize("kind", ["yolo", "voc"])
def test_labels_from_coco_are_called_as_the_pictures(audit, tmp_path, kind):
    path = coco(tmp_path / "t.json", {image: f"sub/im{image}.v1.JPG" for image in IDS})
    done = labelaudit.correct_boxes(path, as_coco(audit), out=tmp_path / "new", format=kind)
    suffix = ".txt" if kind == "yolo" else ".xml"
    classes = ["classes.txt"] if kind == "yolo" else []
    assert names(tmp_path / "new") == sorted([f"im{image}.v1{suffix}" for image in IDS] + classes)
    sizes = {f"im{image}.v1": (WIDTH, HEIGHT) for image in IDS}
    found = read_boxes(tmp_path / "new", "new", "xywh", image_sizes=sizes)
    by_file = found.frame.assign(number=found.frame["image_id"].str.extract(r"im(\d+)")[0].astype(int))
    by_file = by_file.sort_values("number", kind="stable")
    np.testing.assert_allclose(by_file[["x", "y", "w", "h"]], done.frame[["x", "y", "w", "h"]], atol=1e-3)
    if kind == "yolo":
        assert found.category_names == dict(enumerate(NAMES))
        assert by_file["category"].tolist() == (done.frame["category"] // 10 - 1).tolist()
    else:
        text = (tmp_path / "new" / "im3.v1.xml").read_text()
        assert "<folder>sub</folder>" in text
        assert "<filename>im3.v1.JPG</filename>" in text


@pytest.mark.parametrize("kind", ["yolo", "voc"])
@pytest.mark.parametrize("between", ["/", "\\"])
def test_two_pictures_of_one_name_keep_their_folders(audit, tmp_path, kind, between):
    path = coco(tmp_path / "t.json", {image: f"{image % 3}{between}a.b{image // 3}.jpg" for image in IDS})
    found = as_coco(audit)
    labelaudit.correct_boxes(path, found, out=tmp_path / "new", format=kind)
    again = read_boxes(tmp_path / "new", "new", "xywh", image_sizes=dict.fromkeys(CALLED.values(), (WIDTH, HEIGHT)))
    assert sorted(again.image_ids) == sorted(CALLED.values())
    wanted = labelaudit.correct_boxes(path, found).frame.groupby("image_id").size()
    assert again.frame.groupby("image_id").size().to_dict() == {CALLED[n // 7]: size for n, size in wanted.items()}


CALLED = {image: f"{image % 3}/a.b{image // 3}" for image in IDS}


@pytest.mark.parametrize(("pictures", "files"), [
    (("a.jpg", "a.png"), "a"),
    (("1/a.jpg", "1/a.png"), "1/a"),
    (("1/a.jpg", "../2/a.jpg"), "a"),
    (("/1/a.jpg", "/2/a.jpg"), "a"),
    (("C:\\1\\a.jpg", "C:\\2\\a.jpg"), "a"),
])  # fmt: skip
def test_two_pictures_that_would_have_one_file_are_an_error(audit, tmp_path, pictures, files):
    path = coco(tmp_path / "t.json", {image: (*pictures, f"{image}.jpg")[min(image, 2)] for image in IDS})
    with pytest.raises(labelaudit.LabelAuditError, match=rf"images 0 and 7 would both be called {files}\.txt"):
        labelaudit.correct_boxes(path, as_coco(audit), out=tmp_path / "new", format="yolo")
    assert not (tmp_path / "new").exists()


def test_a_picture_called_as_what_is_no_label_is_an_error(audit, tmp_path):
    path = coco(tmp_path / "u.json", {image: "classes.jpg" if image == 3 else f"{image}.jpg" for image in IDS})
    with pytest.raises(labelaudit.LabelAuditError, match=r"image 21 would be called classes\.txt"):
        labelaudit.correct_boxes(path, as_coco(audit), out=tmp_path / "new", format="yolo")
    assert not (tmp_path / "new").exists()


def test_pictures_in_folders_of_windows_are_called_as_the_pictures(audit, tmp_path):
    path = coco(tmp_path / "t.json", {image: f"train\\im{image}.jpg" for image in IDS})
    labelaudit.correct_boxes(path, as_coco(audit), out=tmp_path / "new", format="voc")
    assert names(tmp_path / "new") == sorted(f"im{image}.xml" for image in IDS)
    text = (tmp_path / "new" / "im3.xml").read_text()
    assert "<folder>train</folder>" in text
    assert "<filename>im3.jpg</filename>" in text


def test_names_that_a_file_system_takes_for_one_are_an_error(audit, tmp_path, monkeypatch):
    """As on a Mac: the file A.txt is there once a.txt is."""
    path = coco(tmp_path / "t.json", {image: {0: "A.jpg", 3: "a.jpg"}.get(image, f"{image}.jpg") for image in IDS})
    create = _LocalFolder.create
    monkeypatch.setattr(_LocalFolder, "create", lambda self, name, data: create(self, name.lower(), data))
    with pytest.raises(labelaudit.LabelAuditError, match=r"a\.txt would take the place of a file whose name differs"):
        labelaudit.correct_boxes(path, as_coco(audit), out=tmp_path / "new", format="yolo")
    assert names(tmp_path) == ["t.json"]


def test_a_folder_appears_when_it_is_whole(audit, tmp_path, monkeypatch):
    folder = yolo(tmp_path / "labels")
    create, seen = _LocalFolder.create, []

    def full_disk(self, name, data):
        seen.append(name)
        if len(seen) == 5:
            raise OSError(28, "No space left on device")
        create(self, name, data)

    monkeypatch.setattr(_LocalFolder, "create", full_disk)
    with pytest.raises(OSError, match="No space left"):
        labelaudit.correct_boxes(folder, audit, out=tmp_path / "new", image_sizes=SIZES)
    assert names(tmp_path) == ["labels"]


def test_two_files_of_one_picture_are_an_error(tmp_path):
    folder = yolo(tmp_path / "labels")
    (folder / "clip.003.TXT").write_text("0 .5 .5 .1 .1")
    if len(list(folder.iterdir())) == len(IDS) + 1:
        pytest.skip("the file system ignores case")
    with pytest.raises(labelaudit.LabelAuditError, match=r"both labels of the picture 'clip\.003'"):
        read_boxes(folder, "ground_truth", "xywh", image_sizes=SIZES)


@pytest.mark.parametrize("kind", ["yolo", "voc"])
def test_coco_and_voc_name_the_pictures(audit, tmp_path, kind):
    folder = WRITERS[kind](tmp_path / "labels")
    pictures = tmp_path / "images"
    pictures.mkdir()
    for name in IDS.values():
        Image.new("1", (WIDTH, HEIGHT)).save(pictures / f"{name}.jpg")
    labelaudit.correct_boxes(folder, audit, out=tmp_path / "new.json", format="coco", images=pictures)
    images = json.loads((tmp_path / "new.json").read_text())["images"]
    assert [image["file_name"] for image in images] == [f"{name}.jpg" for name in IDS.values()]


def test_yolo_keeps_its_names_of_classes(audit, tmp_path):
    folder = yolo(tmp_path / "labels", mark="\ufeff")
    assert read_boxes(folder, "g", "xywh", image_sizes=SIZES).category_names == dict(enumerate(NAMES))
    labelaudit.correct_boxes(folder, audit, out=tmp_path / "new", image_sizes=SIZES)
    assert (tmp_path / "new" / "classes.txt").read_bytes() == (folder / "classes.txt").read_bytes()


def test_options_that_would_be_ignored_are_refused(audit, tmp_path):
    folder = yolo(tmp_path / "labels")
    for options, message in (
        ({"format": "typo"}, "format='typo' is unknown; expected one of coco, yolo, voc"),
        ({"format": "voc"}, "format='voc' is about what is written; pass out="),
        ({"out": tmp_path / "new", "in_place": True}, "say two things"),
        ({"in_place": True, "format": "voc"}, r"in_place=True changes the files as they are \(yolo\)"),
        ({"out": tmp_path / "new", "undo_log": tmp_path / "u"}, "undo_log= is about in_place=True"),
        ({"undo_log": tmp_path / "u"}, "undo_log= is about in_place=True"),
    ):
        with pytest.raises(labelaudit.LabelAuditError, match=message):
            labelaudit.correct_boxes(folder, audit, image_sizes=SIZES, **options)
    for options in ({"min_confidence": 0.5}, {"classes": False}, {"boxes": False}, {"remove_spurious": True}):
        with pytest.raises(labelaudit.LabelAuditError, match=r"decisions= are all applied, so .* leave it out"):
            labelaudit.correct_boxes(folder, audit, image_sizes=SIZES, decisions=tmp_path / "d.jsonl", **options)
    assert names(tmp_path) == ["labels"]


def test_options_of_the_command_that_would_be_ignored_are_refused(audit, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    voc(tmp_path / "labels")
    audit.save(tmp_path / "audit")
    for options, message in (
        ("--out new --how link", "--how is about a folder of class folders"),
        ("--out new --id-column x", "--id-column is about one label per sample"),
        ("--out new --images pictures", "--images is for the sizes of pictures that YOLO's files lack"),
        ("--out new --undo-log u", "--undo-log is about --in-place"),
        ("--in-place --out new", "--out is about something new"),
        ("--decisions d --dry-run --copy-missing", "decisions on boxes are all applied; leave --copy-missing out"),
        ("--decisions d --dry-run --sensitivity 90", "decisions on boxes are all applied; leave --min-confidence"),
    ):
        arguments = ["relabel", str(tmp_path / "labels"), "--audit", str(tmp_path / "audit"), *options.split()]
        assert main(arguments) == 2
        assert message in capsys.readouterr().err
    assert names(tmp_path) == ["audit", "labels"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_empty_lines_and_spaces_in_yolo_stay(audit, tmp_path, end):
    folder = yolo(tmp_path / "labels")
    for image in IDS.values():
        path = folder / f"{image}.txt"
        lines = [f"\t{line.replace(' ', '  ')} {end}{end}" for line in path.read_text().splitlines()]
        path.write_bytes(f"{end}{''.join(lines)}".rstrip().encode())
    done = labelaudit.correct_boxes(
        folder, audit, out=tmp_path / "new", boxes=False, remove_spurious=True, copy_missing=True, image_sizes=SIZES,
        min_confidence=0.0,
    )  # fmt: skip
    kinds = set()
    for image in IDS.values():
        before, after = ((place / f"{image}.txt").read_bytes().decode() for place in (folder, tmp_path / "new"))
        want = before.splitlines(keepends=True)
        places = [place for place, line in enumerate(want) if line.strip()]
        first = int((TRUTH["image_id"] < image).sum())
        for row in range(first, first + len(places)):
            place = places[row - first]
            if row in done.removed:
                want[place] = ""
                kinds.add("removed")
        rows = done.frame[done.frame["image_id"] == image]
        for row in rows[rows["change"] == "class"].itertuples():
            old = want[places[row.row - first]]
            want[places[row.row - first]] = f"\t{NAMES.index(NAMES[row.category])}{old[2:]}"
            kinds.add("class")
        n_added = int((rows["change"] == "missing").sum())
        lines = after.splitlines(keepends=True)
        kept = "".join(lines[: len(lines) - n_added]) if n_added else after
        assert kept == "".join(want) + (end if n_added else "")
        assert all(line.endswith(end) for line in lines[len(lines) - n_added :] if n_added)
        kinds |= {"added"} if n_added else set()
    assert kinds == {"removed", "class", "added"}


def test_a_correction_to_one_of_two_categories_of_one_name_is_an_error(audit, tmp_path):
    path = coco(tmp_path / "t.json", {image: f"{image}.jpg" for image in IDS})
    whole = json.loads(path.read_text())
    frame = labelaudit.correct_boxes(path, as_coco(audit)).frame
    wanted = set(frame.loc[frame["change"] == "class", "category"] // 10 - 1)
    assert len(wanted) > 0
    for number, name in enumerate([*NAMES, "wasp"]):
        kinds = [*whole["categories"], {"id": 90, "name": "wasp"}, {"id": 99, "name": name}]
        path.write_text(json.dumps({**whole, "categories": kinds}))
        if number in wanted:
            with pytest.raises(labelaudit.LabelAuditError, match=rf"several categories called '{name}' \(\d+, 99\)"):
                labelaudit.correct_boxes(path, as_coco(audit), out=tmp_path / "new.json")
            assert not (tmp_path / "new.json").exists()
        else:
            labelaudit.correct_boxes(path, as_coco(audit), out=tmp_path / f"{name}.json")


@pytest.mark.parametrize("kind", ["yolo", "coco"])
def test_a_category_that_the_files_lack_is_an_error(audit, tmp_path, kind):
    found = dataclasses.replace(
        audit, missing=audit.missing.assign(category="wasp", is_label_issue=True, confidence=1.0)
    )
    folder = yolo(tmp_path / "labels")
    options = {"image_sizes": SIZES, "copy_missing": True}
    assert "wasp" in set(labelaudit.correct_boxes(folder, found, **options).frame["category"])
    with pytest.raises(
        labelaudit.LabelAuditError, match=r"no category 'wasp'.* it has ant, bee, fly\. Add it to classes"
    ):
        labelaudit.correct_boxes(folder, found, out=tmp_path / "new", format=kind, **options)
    (folder / "classes.txt").write_text("\n".join([*NAMES, "wasp"]))
    labelaudit.correct_boxes(folder, found, out=tmp_path / "new", format=kind, **options)
