"""The report of a detection audit: what a card holds, and where its boxes lie."""

from __future__ import annotations

import base64
import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import labelaudit
from labelaudit import LabelAuditError
from labelaudit.detection.findings.curves import curves_of_boxes
from labelaudit.detection.findings.issues import issues_of
from labelaudit.detection.findings.report import flagged_first, make_detection_report
from labelaudit.detection.findings.scenes import Scenes
from tests.detection_store.conftest import DATA, EPOCHS, Recorded

FILL = np.array([200, 180, 60])


def cards_of(html: str) -> list[dict[str, Any]]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', html, re.S)
    assert found is not None
    return list(json.loads(found[1])["cards"])


def test_a_box_that_moves_keeps_its_class(recorded: Recorded) -> None:
    objects = recorded.audit.objects.copy()
    moves = (objects["issue"] == "location").fillna(False).to_numpy(bool)
    assert moves.any()
    objects["suggested_label"] = objects["suggested_label"].astype(object).where(~moves, "another")
    shown = issues_of(replace(recorded.audit, objects=objects)).audit.samples.iloc[: len(objects)][moves]
    assert shown["suggested_label"].tolist() == shown["given_label"].tolist()


def test_issues_are_all_boxes_and_all_missing_objects(recorded: Recorded) -> None:
    issues, audit = issues_of(recorded.audit), recorded.audit
    assert len(issues) == len(audit.objects) + len(audit.missing)
    flagged = issues.audit.samples["is_label_issue"]
    counts = {
        kind: int(((issues.kind == kind) & flagged).sum()) for kind in ("class", "location", "spurious", "missing")
    }
    assert counts == {**audit.summary["by_issue"], "missing": audit.summary["n_missing"]}
    order = flagged_first(issues)
    assert flagged.iloc[order].is_monotonic_decreasing
    assert sorted(order.tolist()) == list(range(len(issues)))


def test_a_piece_shows_its_box_where_the_overlay_says(recorded: Recorded) -> None:
    """The pictures are filled exactly where given boxes are."""
    issues = issues_of(recorded.audit)
    scenes = Scenes(recorded.audit, issues, recorded.pictures)
    checked = 0
    for position in range(0, len(recorded.audit.objects), 7):
        piece, overlay = np.asarray(scenes.piece(position)), scenes.overlay(position)
        assert abs(piece.shape[1] - overlay["width"]) <= 1
        assert abs(piece.shape[0] - overlay["height"]) <= 1
        x, y, w, h = overlay["given"]
        inside = piece[round(y + 0.3 * h) : round(y + 0.7 * h), round(x + 0.3 * w) : round(x + 0.7 * w)]
        assert (inside == FILL).all()
        checked += 1
    assert checked > 20


def test_pictures_of_another_size_than_the_boxes(recorded: Recorded) -> None:
    half = Scenes(recorded.audit, issues_of(recorded.audit), lambda one: Image.open(recorded.pictures / one).reduce(2))
    piece, overlay = np.asarray(half.piece(3)), half.overlay(3)
    assert abs(2 * piece.shape[1] - overlay["width"]) <= 3
    x, y, w, h = (value / 2 for value in overlay["given"])
    assert (np.abs(piece[round(y + h / 2), round(x + w / 2)] - FILL) <= 2).all()


def test_overlays_without_pictures(recorded: Recorded) -> None:
    unsized = labelaudit.audit_detections(DATA.truth, DATA.detections)
    scenes = Scenes(unsized, issues_of(unsized), None)
    assert not scenes.has_images
    assert scenes.piece(0) is None
    overlay = scenes.overlay(0)
    assert overlay["given"][2:] == np.round(unsized.objects.loc[0, ["w", "h"]].to_numpy(float), 2).tolist()


def test_the_page_holds_the_pictures_and_escapes_names(recorded: Recorded, tmp_path: Path) -> None:
    report = recorded.audit.to_html(tmp_path / "report.html", images=recorded.pictures, title="<script>x</script>")
    html = (tmp_path / "report.html").read_text()
    assert report.notes == [str(note) for note in recorded.audit.summary["notes"]]
    assert "<script>x" not in html
    assert "<b>fly" not in html
    assert set(re.findall(r"https?://[^\"'`]*", html)) <= {"http://www.w3.org/2000/svg"}
    cards = cards_of(html)
    assert len(cards) == report.n_cards == len(recorded.audit.objects) + len(recorded.audit.missing)
    card = next(one for one in cards if one["region"] == "location")
    data = base64.b64decode(card["image"].partition(",")[2])
    picture = Image.open(io.BytesIO(data))
    assert max(picture.size) <= 240
    assert picture.width / picture.height == pytest.approx(card["scene"]["width"] / card["scene"]["height"], rel=0.05)
    assert card["scene"]["given"] is not None
    assert card["scene"]["suggested"] is not None
    assert len(card["curve"]["epochs"]) == EPOCHS
    missing = next(one for one in cards if one["region"] == "missing")
    assert missing["scene"]["given"] is None
    assert missing["given"] == "(not labelled)"
    assert [row[0] for row in missing["statistics"][:2]] != ["given box", "suggested box"]


def test_what_is_left_out_is_said(recorded: Recorded, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    first = recorded.audit.objects["image_id"].iloc[0]
    (tmp_path / "bad" / first).write_bytes(b"no picture")
    report = make_detection_report(recorded.audit, images=tmp_path / "bad", max_cards=len(recorded.audit.objects))
    assert any("pictures could not be read" in note for note in report.notes)
    assert any("Cards are shown for" in note for note in report.notes)
    small = make_detection_report(recorded.audit, images=recorded.pictures, max_image_bytes=20_000)
    assert any("left out to bound the file's size" in note for note in small.notes)
    bare = make_detection_report(labelaudit.audit_detections(DATA.truth, DATA.detections))
    for part in ("no curves", "only the boxes are drawn"):
        assert any(part in note for note in bare.notes)
    for options in ({"max_cards": 0}, {"thumbnail_size": 4}):
        with pytest.raises(LabelAuditError):
            make_detection_report(recorded.audit, **options)


def test_curves_against_a_slow_reference(recorded: Recorded) -> None:
    issues, history = issues_of(recorded.audit), recorded.audit.history
    positions = np.r_[0:30, len(recorded.audit.objects) : len(recorded.audit.objects) + 5]
    curves = curves_of_boxes(history, issues, positions)
    names = history.class_names
    for i, position in enumerate(positions.tolist()):
        row = issues.audit.samples.iloc[position]
        for line, label, box in (
            (curves.given, row["given_label"], issues.given[position]),
            (curves.suggested, row["suggested_label"], issues.suggested[position]),
        ):
            box = issues.given[position] if np.isnan(box[0]) else box
            for epoch in range(EPOCHS):
                if label not in names:
                    assert np.isnan(line[i, epoch])
                    continue
                table = history.epoch(epoch).to_pylist()
                drawn = next(one for one in table if one["sample_id"] == issues.image[position])
                best = 0.0
                for other, score, kind in zip(drawn["boxes"], drawn["scores"], drawn["labels"], strict=True):
                    if names[kind] == label:
                        best = max(best, score * slow_iou(box, other))
                assert line[i, epoch] == pytest.approx(best, abs=1e-6)


def slow_iou(box: Any, other: Any) -> float:
    x, y, w, h = box
    width = max(min(x + w, other[2]) - max(x, other[0]), 0)
    height = max(min(y + h, other[3]) - max(y, other[1]), 0)
    union = w * h + (other[2] - other[0]) * (other[3] - other[1]) - width * height
    return width * height / union


@pytest.mark.external
def test_in_a_browser(recorded: Recorded, tmp_path: Path) -> None:
    import shutil

    from playwright.sync_api import sync_playwright

    from tests.report.open_page import complaints, opened

    recorded.audit.to_html(tmp_path / "report.html", images=recorded.pictures)
    place = shutil.which("chromium")
    assert place is not None, "install Debian's package chromium"
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=place, args=flags)
        for size, scheme in (("desk", "light"), ("phone", "dark")):
            with opened(browser, tmp_path / "report.html", size=size, scheme=scheme) as page:
                assert complaints(page) == []
                if size == "desk":
                    use(page, recorded)
        recorded.audit.to_html(tmp_path / "bare.html")
        with opened(browser, tmp_path / "bare.html") as page:
            drawn = page.locator(".bx-scene").first.bounding_box()
            assert min(drawn["width"], drawn["height"]) > 40, "the boxes are there without pictures, too"
        browser.close()


def use(page: Any, recorded: Recorded) -> None:
    flagged = recorded.audit.summary["n_flagged"] + recorded.audit.summary["n_missing"]
    assert count(page) == flagged
    page.locator("button[data-kind=missing]").click()
    assert count(page) == recorded.audit.summary["n_missing"]
    page.locator("#clear").click()
    page.locator("#cut").fill("20")
    page.locator("#cut").dispatch_event("input")
    issues = issues_of(recorded.audit).audit.samples
    assert count(page) == int((issues["label_quality"].round(5) * 100 < 20).sum())
    assert "quality < 0.20" in page.locator("#cut-value").inner_text()
    page.locator("#clear").click()
    page.select_option("#by-kind", "location")
    boxes = page.locator(".la-card").first.locator("rect.bx-given, rect.bx-suggested")
    assert boxes.count() == 2
    frame = page.locator(".la-card .bx-scene").first.bounding_box()
    for number in range(2):  # the drawn boxes lie in the picture
        box = boxes.nth(number).bounding_box()
        assert box["x"] >= frame["x"] - 4
        assert box["y"] + box["height"] <= frame["y"] + frame["height"] + 4
    page.locator(".la-card button").first.click()
    assert page.locator("#dialog").is_visible()
    assert "p(wrong box)" in page.locator("#one").inner_text()
    page.keyboard.press("ArrowRight")
    assert page.locator("#place").inner_text().startswith("2 of")


def count(page: Any) -> int:
    return int(page.locator("#count").inner_text().split()[0].replace(",", ""))
