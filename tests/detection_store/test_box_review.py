"""Decisions on boxes, and the annotations that they make: COCO, YOLO and Pascal VOC, with undo."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import labelaudit
from labelaudit import LabelAuditError, load_decisions
from labelaudit.cli import main
from labelaudit.detection.findings.issues import NOT_LABELLED, issues_of
from labelaudit.detection.findings.review import BoxReview, reviewed
from labelaudit.reviewing import DecisionLog
from tests.detection.simulated import HEIGHT, WIDTH
from tests.detection_store.conftest import NAMES, Recorded, name_of


@pytest.fixture
def log(recorded: Recorded, tmp_path: Path) -> Any:
    log = DecisionLog(tmp_path / "decisions.jsonl", issues_of(recorded.audit).audit)
    yield log
    log.close()


def first(session: BoxReview, kind: str) -> int:
    """The rank of the first flagged finding of a kind."""
    kinds = session._issues.kind[session._order]
    return int(np.flatnonzero(kinds == kind)[0])


def said(log: DecisionLog) -> list[tuple[str, Any]]:
    return [(one.action, one.label) for one in log.words.current["Ann"].values()]


def test_pictures_of_sixteen_bits_are_not_all_white(recorded: Recorded, log: DecisionLog) -> None:
    ramp = np.linspace(0, 65_535, WIDTH * HEIGHT).reshape(HEIGHT, WIDTH).astype(np.uint16)
    session = BoxReview(recorded.audit, log, lambda _: Image.fromarray(ramp))
    found = session.image(0)
    assert found is not None
    assert np.ptp(np.asarray(Image.open(io.BytesIO(found[0])).convert("L")).astype(int)) > 10


def test_a_key_means_what_the_kind_of_finding_needs(recorded: Recorded, log: DecisionLog) -> None:
    session = BoxReview(recorded.audit, log, recorded.pictures, recorded.audit.history)
    for kind in ("class", "location", "spurious", "missing"):
        session.decide("Ann", [first(session, kind)], "accept")
    suggested = [session._suggested[first(session, kind)] for kind in ("class", "missing")]
    assert said(log) == [("relabel", suggested[0]), ("move", None), ("remove", None), ("add", suggested[1])]
    assert session.undo("Ann") == 1
    assert len(said(log)) == 3
    rank = first(session, "missing")
    session.decide("Ann", [rank], "choose", 0)
    session.decide("Ann", [first(session, "location")], "keep")
    assert said(log)[-2:] == [("add", NAMES[0]), ("keep", None)]
    session.decide("Ann", [rank], "remove")
    assert said(log)[-1] == ("keep", None)
    session.decide("Ann", [first(session, "class")], "unsure")
    view = session.view("Ann")
    assert view["n_decided"] == 4
    assert view["n_flagged"] == recorded.audit.summary["n_flagged"] + recorded.audit.summary["n_missing"]
    with pytest.raises(LabelAuditError, match="several kinds: class, location"):
        session.decide("Ann", [first(session, "class"), first(session, "location")], "accept")
    with pytest.raises(LabelAuditError, match="expected ranks of samples"):
        session.decide("Ann", [10**6], "accept")
    with pytest.raises(LabelAuditError, match="no class has number 99"):
        session.decide("Ann", [rank], "choose", 99)


def test_one_key_decides_all_look_alikes(recorded: Recorded, log: DecisionLog) -> None:
    session = BoxReview(recorded.audit, log, recorded.pictures)
    pairs = session.view("Ann")["pairs"]
    assert len(pairs) > 1
    for pair in pairs:
        alike = session.lookalikes("Ann", pair["given"], pair["suggested"], pair["kind"])
        assert {one["region"] for one in alike} == {pair["kind"]}
        session.decide("Ann", [one["rank"] for one in alike], "accept")
    assert session.view("Ann")["n_decided"] == sum(pair["n"] for pair in pairs)


def test_a_card_has_the_piece_its_boxes_and_its_buttons(recorded: Recorded, log: DecisionLog) -> None:
    session = BoxReview(recorded.audit, log, recorded.pictures, recorded.audit.history)
    card = session.view("Ann")["sample"]
    assert card["scene"]["width"] > 0
    assert card["image"] == f"/image/{card['rank']}"
    data = session.image(card["rank"])
    assert data is not None
    assert data[1].startswith("image/")
    spurious = session._record(first(session, "spurious"))
    assert (spurious["actions"]["accept"], spurious["acceptable"], spurious["suggested"]) == (
        "Remove the box",
        True,
        None,
    )
    assert session._record(first(session, "location"))["actions"]["accept"] == "Move the box"
    assert session._record(first(session, "missing"))["given"] == NOT_LABELLED
    assert session.image(10**6) is None


def decide_all(recorded: Recorded, place: Path) -> dict[str, int]:
    """Accept the first finding of each kind; return their rows."""
    rows = {}
    with DecisionLogOf(recorded, place) as session:
        for kind in ("class", "location", "spurious", "missing"):
            rank = first(session, kind)
            session.decide("Ann", [rank], "accept")
            rows[kind] = int(session._issues.row[session._order[rank]])
    return rows


class DecisionLogOf:
    def __init__(self, recorded: Recorded, place: Path) -> None:
        self.log = DecisionLog(place, issues_of(recorded.audit).audit)
        self.session = BoxReview(recorded.audit, self.log, recorded.pictures)

    def __enter__(self) -> BoxReview:
        return self.session

    def __exit__(self, *_: object) -> None:
        self.log.close()


def coco(recorded: Recorded, path: Path) -> Path:
    objects = recorded.audit.objects
    images = [{"id": n, "file_name": name_of(n), "width": WIDTH, "height": HEIGHT} for n in range(40)]
    annotations = [
        {"id": 500 + n, "image_id": row.image_id, "category_id": 1 + NAMES.index(row.given_label), "mine": n}
        | {"bbox": [row.x, row.y, row.w, row.h], "area": row.w * row.h, "iscrowd": 0}
        for n, row in enumerate(objects.itertuples())
    ]
    for image in images:
        image["id"] = image["file_name"]
    kinds = [{"id": 1 + n, "name": name} for n, name in enumerate(NAMES)]
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": kinds}))
    return path


def test_decisions_become_annotations_with_undo(recorded: Recorded, tmp_path: Path) -> None:
    rows = decide_all(recorded, tmp_path / "decisions.jsonl")
    old = coco(recorded, tmp_path / "old.json")
    before = old.read_bytes()
    decisions = load_decisions(tmp_path / "decisions.jsonl")
    done = labelaudit.correct_boxes(old, recorded.audit, decisions=decisions, out=tmp_path / "new.json")
    assert old.read_bytes() == before
    new = json.loads((tmp_path / "new.json").read_text())
    by_row = {one["mine"]: one for one in new["annotations"] if "mine" in one}
    objects, missing = recorded.audit.objects, recorded.audit.missing
    assert NAMES[by_row[rows["class"]]["category_id"] - 1] == objects.loc[rows["class"], "suggested_label"]
    np.testing.assert_allclose(by_row[rows["location"]]["bbox"], objects.loc[rows["location"], "suggested_box"])
    assert rows["spurious"] not in by_row
    added = [one for one in new["annotations"] if "mine" not in one]
    assert len(added) == 1
    np.testing.assert_allclose(added[0]["bbox"], missing.loc[rows["missing"], ["x", "y", "w", "h"]].tolist())
    untouched = [n for n in by_row if n not in rows.values()]
    was = json.loads(before)["annotations"]
    assert all(by_row[n] == was[n] for n in untouched)
    assert done.removed == (rows["spurious"],)
    with pytest.raises(LabelAuditError, match="never overwritten"):
        labelaudit.correct_boxes(old, recorded.audit, decisions=decisions, out=tmp_path / "new.json")
    changed = labelaudit.correct_boxes(old, recorded.audit, decisions=decisions, in_place=True)
    assert json.loads(old.read_bytes()) == new
    assert changed.undo_log is not None
    labelaudit.undo_relabel(changed.undo_log)
    assert old.read_bytes() == before
    for format, pattern in (("yolo", "*.txt"), ("voc", "*.xml")):
        labelaudit.correct_boxes(old, recorded.audit, decisions=decisions, out=tmp_path / format, format=format)
        assert len(list((tmp_path / format).glob(pattern))) >= 40


def test_decisions_of_other_boxes_are_refused(recorded: Recorded, tmp_path: Path) -> None:
    decide_all(recorded, tmp_path / "decisions.jsonl")
    table = load_decisions(tmp_path / "decisions.jsonl")
    with pytest.raises(LabelAuditError, match="on other boxes or labels"):
        reviewed(recorded.audit, table.assign(fingerprint="0" * 16))
    strange = table.rename(index={table.index[0]: "nobody.png: box 1"})
    with pytest.raises(LabelAuditError, match=r"no finding 'nobody\.png: box 1'"):
        reviewed(recorded.audit, strange)


def test_command_line(recorded: Recorded, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = decide_all(recorded, tmp_path / "decisions.jsonl")
    recorded.audit.save(tmp_path / "audit")
    old, audit = str(coco(recorded, tmp_path / "old.json")), str(tmp_path / "audit")
    command = ["relabel", old, "--audit", audit, "--decisions", str(tmp_path / "decisions.jsonl")]
    assert main(command) == 2
    assert "say where to: --out NEW" in capsys.readouterr().err
    assert main([*command, "--dry-run", "--min-confidence", "0.5"]) == 2
    assert "decisions on boxes are all applied" in capsys.readouterr().err
    assert main([*command, "--dry-run"]) == 0
    assert capsys.readouterr().out.startswith("1 classes and 1 boxes corrected, 1 objects added, 1 boxes removed")
    assert main([*command, "--out", str(tmp_path / "new.json"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["removed"] == [rows["spurious"]]
    assert {one["change"] for one in facts["changes"]} == {"class", "location", "missing"}
    suggestions = ["relabel", old, "--audit", audit, "--out", str(tmp_path / "all.json"), "--copy-missing"]
    assert main([*suggestions, "--min-confidence", "0.5"]) == 0
    assert "boxes corrected" in capsys.readouterr().out
    assert main([*suggestions, "--id-column", "x"]) == 2


@pytest.mark.external
def test_by_keyboard_in_a_browser(recorded: Recorded, tmp_path: Path) -> None:
    import shutil

    from playwright.sync_api import sync_playwright

    place = shutil.which("chromium")
    assert place is not None, "install Debian's package chromium"
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    decisions = tmp_path / "decisions.jsonl"
    with labelaudit.review(recorded.audit, images=recorded.pictures, decisions=decisions, reviewer="Ann") as review:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=place, args=flags)
            page = browser.new_page()
            problems: list[str] = []
            page.on("pageerror", lambda error: problems.append(str(error)))
            page.on("console", lambda line: problems.append(line.text))
            page.goto(review.url)
            for number, key in enumerate("aakzu"):
                page.wait_for_selector("#review:not([aria-busy]) .rv-single .bx-scene img")
                page.keyboard.press(key)
                page.wait_for_selector("#review:not([aria-busy]) .rv-single .bx-scene svg")
                page.wait_for_timeout(100)
                assert len(review.table()) == (1, 2, 3, 2, 3)[number]
            assert page.locator(".rv-single .bx-scene svg rect").count() >= 2
            assert problems == []
            browser.close()
        table = review.table()
    assert set(table["action"]) <= {"relabel", "move", "remove", "add", "unsure"}
