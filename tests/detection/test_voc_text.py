"""A correction of a Pascal VOC file changes only the characters that it must."""

import pytest

import labelaudit
from labelaudit.detection.sources import read_boxes
from labelaudit.detection.voc_text import OddLayoutError, edited
from labelaudit.detection.voc_writing import rendered
from tests.detection.test_label_files import IDS, audit, changed_images, contents, voc  # noqa: F401

LABELIMG = """<?xml version="1.0" ?>
<!-- drawn by Zoë -->
<annotation verified='yes'>
\t<filename>a.jpg</filename>   <!-- two  spaces -->
\t<object>
\t\t<name> ant </name>
\t\t<difficult>0</difficult>
\t\t<bndbox>
\t\t\t<xmin>11.0</xmin>
\t\t\t<ymin>21</ymin>
\t\t\t<xmax>40</xmax>
\t\t\t<ymax>60</ymax>
\t\t</bndbox>
\t</object>
\t<object>
\t\t<name>bee &amp; fly</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox>
\t</object> <!-- sure -->
\t<segmented  >0</segmented>

</annotation>
<!-- end -->"""
OLD = [
    {"row": 5, "change": "", "category": "ant", "x": 10.0, "y": 20.0, "w": 30.0, "h": 40.0},
    {"row": 6, "change": "", "category": "bee & fly", "x": 0.0, "y": 0.0, "w": 9.0, "h": 9.0},
]
ADDED = {"row": -1, "change": "missing", "category": "<é>", "x": 1.0, "y": 2.0, "w": 3.0, "h": 4.5}
NEW_LINES = """\t<object>
\t\t<name>&lt;é&gt;</name>
\t\t<bndbox>
\t\t\t<xmin>2</xmin>
\t\t\t<ymin>3</ymin>
\t\t\t<xmax>4</xmax>
\t\t\t<ymax>6.5</ymax>
\t\t</bndbox>
\t</object>"""
FIRST = LABELIMG[LABELIMG.index("\t<object>") : LABELIMG.index("\t<object>\n\t\t<name>bee")]
SECOND = LABELIMG[LABELIMG.index("\t<object>\n\t\t<name>bee") : LABELIMG.index(" <!-- sure")]


def changed(number, **values):
    return [{**row, **(values if k == number else {})} for k, row in enumerate(OLD)]


EDITS = {
    "class": (changed(0, change="class", category="wasp"), [("<name> ant </name>", "<name> wasp </name>")]),
    "class with an entity": (changed(1, change="class", category="<>"), [("bee &amp; fly", "&lt;&gt;")]),
    "two sides": (changed(0, change="location", w=31.5, h=41.0),
                  [("<xmax>40<", "<xmax>41.5<"), ("<ymax>60<", "<ymax>61<")]),
    "the first goes": (OLD[1:], [(FIRST, "")]),
    "the last goes": (OLD[:1], [(SECOND, "\t")]),
    "both go": ([], [(FIRST, ""), (SECOND, "\t")]),
    "one comes": ([*OLD, ADDED], [("<!-- sure -->\n", f"<!-- sure -->\n{NEW_LINES}\n")]),
    "one goes, one comes": ([OLD[0], ADDED], [(SECOND, NEW_LINES)]),
    "all go, two come": ([ADDED, ADDED], [(FIRST, ""), (SECOND, f"{NEW_LINES}\n{NEW_LINES}")]),
}  # fmt: skip


@pytest.mark.parametrize("way", ["utf-8", "utf-8-sig", "iso-8859-1", "windows-1252", "Windows"])
@pytest.mark.parametrize("kind", EDITS)
def test_only_what_a_correction_is_about_changes(kind, way):
    rows, replacements = EDITS[kind]
    want = LABELIMG
    for old, new in replacements:
        assert want.count(old) == 1
        want = want.replace(old, new)
    texts = [LABELIMG, want]
    if way == "Windows":
        texts = [text.replace("\n", "\r\n") for text in texts]
    if way in ("iso-8859-1", "windows-1252"):
        texts = [text.replace('"1.0" ?', f'"1.0" encoding="{way}"?') for text in texts]
    old, new = (text.encode("utf-8" if way == "Windows" else way) for text in texts)
    assert edited(old, rows, 5, {}).decode(errors="replace") == new.decode(errors="replace")
    assert edited(old, rows, 5, {}) == new


def test_characters_that_the_encoding_lacks_become_references():
    old = LABELIMG.replace('"1.0" ?', '"1.0" encoding="iso-8859-1"?').encode("iso-8859-1")
    new = edited(old, changed(0, change="class", category="蟻"), 5, {})
    assert new == old.replace(b"> ant <", b"> &#34811; <")


def test_objects_in_one_line_stay_in_one_line():
    old = b"<annotation><object><name>ant</name><bndbox><xmin>11</xmin><ymin>21</ymin><xmax>40</xmax><ymax>60</ymax>"
    old += b"</bndbox></object><segmented/></annotation>"
    new = edited(old, [OLD[0], {**ADDED, "category": "bee"}], 5, {})
    box = b"<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>4</xmax><ymax>6.5</ymax></bndbox>"
    assert new == old.replace(b"<segmented", b"<object><name>bee</name>" + box + b"</object><segmented")
    assert edited(old, [], 5, {}) == b"<annotation><segmented/></annotation>"


def test_the_first_object_of_a_file_is_laid_out_as_the_file_is():
    old = b"<annotation>\n  <filename>a.jpg</filename>\n  <size>\n    <width>9</width>\n  </size>\n</annotation>\n"
    lines = NEW_LINES.replace("<é>", "bee").replace("&lt;é&gt;", "bee").replace("\t", "  ")
    new = edited(old, [{**ADDED, "category": "bee"}], 0, {})
    assert new == old.replace(b"</size>\n", f"</size>\n{lines}\n".encode())


ODD = {
    "UTF-16": LABELIMG.encode("utf-16"),
    "a comment in a name": LABELIMG.replace(" ant ", "ant<!-- ? -->").encode(),
    "CDATA": LABELIMG.replace(" ant ", "<![CDATA[ant]]>").encode(),
    "an object in a group": LABELIMG.replace("\t<object>\n\t\t<name>bee", "<g><object>\n\t\t<name>bee")
    .replace("</object> <!-- sure", "</object></g> <!-- sure").encode(),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_odd_layouts_are_written_anew(tmp_path, kind):
    (tmp_path / "a.xml").write_bytes(ODD[kind])
    rows = [{**row, "image_id": "a", "row": row["row"] - 5} for row in changed(0, change="class", category="wasp")]
    with pytest.raises(OddLayoutError):
        edited(ODD[kind], rows, 0, {})
    table = read_boxes(tmp_path, "ground_truth", "xywh")
    new = rendered({"a": rows}, table, {}, {"a": "a.xml"}, tmp_path)
    (tmp_path / "a.xml").write_bytes(new["a.xml"])
    after = read_boxes(tmp_path, "ground_truth", "xywh").frame
    assert after["category"].tolist() == ["wasp", "bee & fly"]
    assert after[["x", "y", "w", "h"]].to_numpy().tolist() == [[10, 20, 30, 40], [0, 0, 9, 9]]


def test_numbers_that_are_hard_to_find_are_written_anew(tmp_path):
    (tmp_path / "a.xml").write_text(LABELIMG.replace(">40<", ">4&#48;<"), encoding="utf-8")
    rows = [{**row, "image_id": "a", "row": row["row"] - 5} for row in changed(0, change="location", w=31.0)]
    table = read_boxes(tmp_path, "ground_truth", "xywh")
    assert table.frame["w"].tolist() == [30, 9]
    new = rendered({"a": rows}, table, {}, {"a": "a.xml"}, tmp_path)
    assert b"<xmax>41</xmax>" in new["a.xml"]


def test_an_encoding_that_cannot_be_read_is_an_error(tmp_path):
    for name in ("gb2312", "no-such"):
        (tmp_path / "a.xml").write_bytes(b'<?xml version="1.0" encoding="%s"?><annotation/>' % name.encode())
        with pytest.raises(labelaudit.LabelAuditError, match=r"a\.xml cannot be read as XML"):
            read_boxes(tmp_path, "ground_truth", "xywh")


def test_corrected_classes_are_all_that_changes_in_a_folder(audit, tmp_path):  # noqa: F811
    folder = voc(tmp_path / "labels")
    done = labelaudit.correct_boxes(folder, audit, out=tmp_path / "new", boxes=False)
    old, new = contents(folder), contents(tmp_path / "new")
    assert changed_images(done)
    for image in IDS.values():
        text = old[f"{image}.xml"].decode()
        pieces = text.split("<name>")
        rows = done.frame[done.frame["image_id"] == image]
        for k, row in enumerate(rows.itertuples(), 1):
            pieces[k] = row.category + pieces[k][pieces[k].index("<") :]
        assert new[f"{image}.xml"].decode() == "<name>".join(pieces)


def test_an_object_has_to_stand_beside_something():
    with pytest.raises(OddLayoutError):
        edited(b"<annotation>\n</annotation>", [ADDED], 0, {})
