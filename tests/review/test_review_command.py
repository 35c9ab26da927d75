"""labelaudit review on the command line."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request

import pytest

from labelaudit import DecisionLog, audit
from labelaudit.cli import main
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
    ],
)
def test_bad_input(place: Place, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert main(["review", "--no-browser", *(one.replace("@", str(place.run)) for one in arguments)]) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
