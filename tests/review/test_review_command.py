"""labelaudit review on the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from labelaudit import DecisionLog, LabelAuditError, audit, history_from_arrays
from labelaudit.cli import main
from labelaudit.reviewing.opening import open_review
from tests.review.conftest import IDS, NAMES, Place


def test_it_serves_until_it_is_interrupted(place: Place) -> None:
    command = [sys.executable, "-m", "labelaudit", "review", str(place.run), "--no-browser", "--json"]
    rows = place.labels.with_name("rows.csv")
    rows.write_text(place.labels.read_text())
    with subprocess.Popen([*command, "--rows", str(rows)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
        token = facts["url"].split("token=")[1]
        with urllib.request.urlopen(facts["url"].replace("/?", "/api/view?reviewer=Ann&")) as answer:
            view = json.load(answer)
        assert view["sample"]["row"][1][0] == "number"
        assert token
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130
    assert facts["decisions"] == str(place.run / "review" / "decisions.jsonl")


def test_rows_of_a_csv_keep_ids_that_look_like_numbers(tmp_path: Path) -> None:
    ids = [f"{i:03}" for i in range(10)] + ["NA"]
    scores = np.full((2, 11, 2), 0.1)
    scores[:, :, 0] = 0.9
    found = audit(history_from_arrays(scores, [0] * 10 + [1], sample_ids=ids))
    rows = tmp_path / "rows.csv"
    rows.write_text("id,text\n" + "".join(f"{one},text of {one}\n" for one in reversed(ids)))
    with open_review(found, rows=rows, decisions=tmp_path / "d.jsonl") as review:
        for rank in range(11):
            record = review._server.session._record(rank)
            assert record["row"] == [["text", f"text of {record['id']}"]]
    numbers = audit(history_from_arrays(scores, [0] * 10 + [1]))
    rows.write_text("id,text\n" + "".join(f"{i},text of {i}\n" for i in reversed(range(11))))
    with open_review(numbers, rows=rows, decisions=tmp_path / "n.jsonl") as review:
        assert review._server.session._record(3)["row"] == [["text", f"text of {review._server.session._ids[3]}"]]
    rows.write_text("id,text\n" + "".join(f"{i},text of {i}\n" for i in range(1, 12)))
    with pytest.raises(LabelAuditError, match="rows= has no row for sample 0 "):
        open_review(numbers, rows=rows, decisions=tmp_path / "n.jsonl")


def test_a_script_may_say_a_class_number_as_text(tmp_path: Path) -> None:
    found = audit(history_from_arrays(np.full((2, 4, 2), 0.5), [0, 1, 0, 1]))
    with open_review(found, decisions=tmp_path / "d.jsonl") as review:
        review.decide(0, "relabel", "1")
        review.decide(1, "relabel", "1")
        assert review.table()["action"].tolist() == ["relabel", "keep"]
        assert review.table()["label"].tolist()[0] == 1
        with pytest.raises(LabelAuditError, match="there is no class '01'; the classes are 0, 1"):
            review.decide(2, "relabel", "01")


def test_images_may_be_an_array(place: Place, tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.zeros((len(IDS), 8, 8), np.uint8))
    command = [sys.executable, "-m", "labelaudit", "review", str(place.run), "--no-browser", "--json", "--images"]
    with subprocess.Popen([*command, str(tmp_path / "images.npy")], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = json.loads(process.stdout.readline())["url"]
        with urllib.request.urlopen(url.replace("/?", "/api/view?reviewer=Ann&")) as answer:
            assert json.load(answer)["sample"]["image"]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 130


def test_export(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    log = DecisionLog(place.run / "review" / "decisions.jsonl", audit(place.run))
    log.decide("Ann", [(IDS[0], NAMES[1])], "keep")
    log.close()
    out = place.run.parent / "d.json"
    assert main(["review", str(place.run), "--export", str(out)]) == 0
    assert "1 keep" in capsys.readouterr().out
    assert json.loads(out.read_text())[0]["sample_id"] == IDS[0]
    assert main(["review", str(place.run), "--export", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"export": str(out), "keep": 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["typo"], "no history"),
        (["@", "--images", "typo"], "is no folder"),
        (["@", "--rows", "typo.csv"], "cannot be read as a table"),
        (["@", "--export", "x.csv"], "there is no file"),
        (["typo", "--export", "x.csv"], "there is no folder typo"),
        (["@", "--port", "99999"], "port 99999 is none; expected 0 to 65535"),
        (["@", "--port", "-1"], "port -1 is none"),
    ],
)
def test_bad_input(place: Place, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert main(["review", "--no-browser", *(one.replace("@", str(place.run)) for one in arguments)]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
