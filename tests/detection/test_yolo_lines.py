"""Lines of YOLO files that are more than class x y w h: a score, the corners of an outline."""

import numpy as np
import pytest

import labelaudit
from labelaudit.detection.sources import read_boxes
from tests.detection.simulated import HEIGHT, WIDTH, simulate

NAMES = ["ant", "bee", "fly"]
DATA = simulate(n_images=40, epochs=3, seed=4)
IDS = {image: f"{image:02d}" for image in range(40)}
ORDER = DATA.truth["image_id"].argsort(kind="stable")
TRUTH = DATA.truth.iloc[ORDER].assign(image_id=lambda frame: frame["image_id"].map(IDS)).reset_index(drop=True)
TRUTH = TRUTH.assign(x=TRUTH["x"].clip(0), y=TRUTH["y"].clip(0))
DRAWN = DATA.detections.assign(image_id=DATA.detections["image_id"].map(IDS))
SIZES = dict.fromkeys(IDS.values(), (WIDTH, HEIGHT))


@pytest.fixture(scope="module")
def audit():
    return labelaudit.audit_detections(TRUTH, DRAWN, image_sizes=SIZES)


def box(row):
    return [(row.x + row.w / 2) / WIDTH, (row.y + row.h / 2) / HEIGHT, row.w / WIDTH, row.h / HEIGHT]


def outline(row):
    """A rhombus that touches all sides of the box, and a corner in the middle."""
    x, y, w, h = (side / whole for side, whole in zip((row.x, row.y, row.w, row.h), (WIDTH, HEIGHT) * 2, strict=True))
    return [x + w / 2, y, x + w, y + h / 2, x + w / 2, y + h, x, y + h / 2, x + w / 2, y + h / 2]


LINES = {
    "boxes": box,
    "scores": lambda row: [*box(row), 0.5],
    "outlines": outline,
    "both": lambda row: outline(row) if row.Index % 3 else box(row),
}


def labels(folder, kind):
    folder.mkdir()
    for image in IDS.values():
        rows = [
            [NAMES.index(row.category), *LINES[kind](row)] for row in TRUTH[TRUTH["image_id"] == image].itertuples()
        ]
        (folder / f"{image}.txt").write_text("".join(" ".join(map(str, row)) + "\n" for row in rows))
    (folder / "classes.txt").write_text("\n".join(NAMES))
    return folder


def read(folder):
    return read_boxes(folder, "ground_truth", "xywh", image_sizes=SIZES).frame


def sides(frame):
    return frame[["x", "y", "w", "h"]].to_numpy()


@pytest.mark.parametrize("kind", LINES)
def test_a_line_is_a_box(tmp_path, kind):
    np.testing.assert_allclose(sides(read(labels(tmp_path / "labels", kind))), sides(TRUTH), atol=1e-6)


@pytest.mark.parametrize("kind", LINES)
def test_lines_are_corrected_in_their_form(audit, tmp_path, kind):
    folder = labels(tmp_path / "labels", kind)
    options = {"image_sizes": SIZES, "copy_missing": True, "remove_spurious": True}
    done = labelaudit.correct_boxes(folder, audit, out=tmp_path / "new", **options)
    assert {"class", "location", "missing", ""} == set(done.frame["change"])
    assert done.removed
    after = read(tmp_path / "new")
    wanted = done.frame.sort_values("image_id", kind="stable")
    assert after["category"].tolist() == wanted["category"].tolist()
    kept = wanted["change"].isin(["", "class"]).to_numpy()
    np.testing.assert_allclose(sides(after)[kept], sides(wanted)[kept], atol=1e-6)
    inside = np.minimum(sides(wanted)[:, :2] + sides(wanted)[:, 2:], (WIDTH, HEIGHT))
    np.testing.assert_allclose((sides(after)[:, :2] + sides(after)[:, 2:]).clip(max=(WIDTH, HEIGHT)), inside, atol=0.01)
    for image in IDS.values():
        text = [(place / f"{image}.txt").read_text().splitlines() for place in (folder, tmp_path / "new")]
        lengths = [{len(line.split()) for line in lines} for lines in text]
        of_box = {"boxes": {5}, "scores": {6}, "outlines": {9, 11}, "both": {5, 9, 11}}[kind]
        assert lengths[1] <= of_box
        unchanged = wanted[(wanted["image_id"] == image) & (wanted["change"] == "")]
        old = TRUTH.index[TRUTH["image_id"] == image][0]
        assert set(text[1]) >= {text[0][row - old] for row in unchanged["row"]}


def test_new_boxes_among_outlines_are_outlines(audit, tmp_path):
    """A tool that finds one outline in a file takes all of its lines for outlines."""
    folder = labels(tmp_path / "labels", "outlines")
    done = labelaudit.correct_boxes(folder, audit, out=tmp_path / "new", image_sizes=SIZES, copy_missing=True)
    for image in done.frame.loc[done.frame["change"] == "missing", "image_id"]:
        corners = [line.split()[1:] for line in (tmp_path / "new" / f"{image}.txt").read_text().splitlines()]
        assert all(len(line) >= 8 for line in corners)
        assert all(0 <= float(value) <= 1 for line in corners for value in line)


@pytest.mark.parametrize(("line", "message"), [
    ("0 0.1 0.1 0.2 0.2 0.3", None),
    ("0 0.1 0.1 0.2 0.2 0.3 0.3 0.4", "corners x y of an outline"),
    ("0 0.1 0.1 0.2 nan 0.3 0.3", "corners x y of an outline"),
    ("0.5 0.1 0.1 0.2 0.2 0.3 0.3", "corners x y of an outline"),
    ("0 0.5 0.5 0.2 0.2 0.3 0.3 2 0.4 0.4 0 0.5 0.5 1 0.6 0.6 2", "2 is no share of the picture.*of keypoints leave"),
    ("0 100 100 200 200 100 200", "100 is no share of the picture"),
])  # fmt: skip
def test_lines_that_are_no_outlines(tmp_path, line, message):
    (tmp_path / "00.txt").write_text(line)
    if message is None:
        assert len(read(tmp_path)) == 1
    else:
        with pytest.raises(labelaudit.LabelAuditError, match=f"00.txt, line 1.*{message}"):
            read(tmp_path)
