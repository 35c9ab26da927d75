"""labelaudit relabel on the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from labelaudit import Audit, DecisionLog, load_audit
from labelaudit.cli import main
from tests.relabel.conftest import GIVEN, NAMES, TRUE

MakeAudit = Callable[..., Audit]


def text(labels: object) -> str:
    rows = [f"{i},{NAMES[label]}\n" for i, label in enumerate(labels)]  # type: ignore[call-overload]
    return "".join(["id,label\n", *rows])


@pytest.fixture
def place(make_audit: MakeAudit, tmp_path: Path) -> Path:
    make_audit().save(tmp_path / "audit")
    (tmp_path / "labels.csv").write_text(text(GIVEN))
    return tmp_path


def run(place: Path, *arguments: str) -> int:
    return main(["relabel", *(one.replace("@", str(place)) for one in arguments)])


def test_new_file(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(place, "@/labels.csv", "--audit", "@/audit", "--out", "@/new.csv") == 0
    assert (place / "new.csv").read_text() == text(TRUE)
    assert "Changed 3 labels" in capsys.readouterr().out


def test_dry_run_json_and_thresholds(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(place, "@/labels.csv", "--audit", "@/audit", "--dry-run") == 0
    assert "  2: cat -> owl" in capsys.readouterr().out
    assert run(place, "@/labels.csv", "--audit", "@/audit", "--dry-run", "--json", "--sensitivity", "60") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n_changed"] == 3
    assert {"sample_id": 2, "given_label": "cat", "new_label": "owl", "place": 2} in found["changes"]
    assert run(place, "@/labels.csv", "--audit", "@/audit", "--dry-run", "--json", "--min-confidence", "0.99") == 0
    assert json.loads(capsys.readouterr().out)["n_changed"] == 0


def test_a_dry_run_says_what_is_left_out(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = DecisionLog(place / "d.jsonl", load_audit(place / "audit"))
    log.decide("Ann", [(2, "cat")], "remove")
    log.decide("Ann", [(5, "dog")], "relabel", "owl")
    log.close()
    assert run(place, "@/labels.csv", "--decisions", "@/d.jsonl", "--dry-run") == 0
    assert capsys.readouterr().out.startswith("  2: cat -> left out\n  5: dog -> owl\n")


def test_thresholds_of_a_table(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    load_audit(place / "audit").corrections().to_csv(place / "c.csv")
    for options, n in (([], 3), (["--min-confidence", "0.99"], 0), (["--sensitivity", "90"], 3)):
        assert run(place, "@/labels.csv", "--decisions", "@/c.csv", "--dry-run", "--json", *options) == 0
        assert json.loads(capsys.readouterr().out)["n_changed"] == n


def test_in_place_and_undo(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(place, "@/labels.csv", "--audit", "@/audit", "--in-place", "--undo-log", "@/u.jsonl") == 0
    assert (place / "labels.csv").read_text() == text(TRUE)
    assert "labelaudit relabel --undo" in capsys.readouterr().out
    assert run(place, "--undo", "@/u.jsonl") == 0
    assert (place / "labels.csv").read_text() == text(GIVEN)
    assert run(place, "--undo", "@/u.jsonl", "--json") == 0
    assert capsys.readouterr().out.endswith('{"restored": 0}\n')


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name the label file"),
        (["@/labels.csv"], "say what to apply"),
        (["@/labels.csv", "--audit", "@/audit"], "say where the new labels go"),
        (["@/labels.csv", "--audit", "@/typo", "--dry-run"], "no history"),
        (["@/labels.csv", "--audit", "@/audit", "--remove-spurious"], "--remove-spurious is about boxes"),
        (["@/labels.csv", "--audit", "@/audit", "--copy-missing"], "--copy-missing is about boxes"),
        (["@/labels.csv", "--audit", "@/audit", "--images", "@"], "--images is about boxes"),
        (["@", "--audit", "@/audit", "--dry-run", "--id-column", "x"], "id_column='x' is about a label file"),
        (["@/labels.csv", "--undo", "@/x"], "leave the target out"),
        (["--undo", "@/x", "--dry-run"], "nothing else; leave --dry-run out"),
        (["--undo", "@/x", "--out", "@/new"], "nothing else; leave --out out"),
        (["--undo", "@/x", "--audit", "@/audit"], "nothing else; leave --audit out"),
        (["--undo", "@/x", "--no-header"], "nothing else; leave --no-header out"),
        (["@", "--audit", "@/audit", "--dry-run", "--header"], "header=True is about a CSV file"),
        (["@/labels.csv", "--audit", "@/audit", "--in-place", "--out", "@/new"], "--out is about something new"),
        (["@", "--audit", "@/audit", "--in-place", "--how", "copy"], "--how is about something new"),
        (["@/labels.csv", "--audit", "@/audit", "--out", "@/n.csv", "--undo-log", "@/u"], "--undo-log is about --in-"),
        (["@/labels.csv", "--audit", "@/audit", "--dry-run", "--how", "link"], "how='link' is about a folder of class"),
        (["@/labels.csv", "--audit", "@/audit", "--sensitivity", "60", "--min-confidence", "1"], "the same"),
    ],
)
def test_bad_input(place: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert run(place, *arguments) == 2
    printed = capsys.readouterr().err
    assert message in printed
    assert printed.count("\n") == 1
