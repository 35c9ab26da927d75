"""labelaudit runs RUN."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from test_named_runs import N, record

from labelaudit.cli import main


@pytest.fixture
def run(tmp_path: Path) -> str:
    record(tmp_path / "run")
    return str(tmp_path / "run")


def said(capsys: Any, *words: str) -> str:
    assert main(words) == 0
    return str(capsys.readouterr().out)


def test_from_keeping_to_deleting(run: str, capsys: Any) -> None:
    assert "keeps no results yet" in said(capsys, "runs", run)
    assert json.loads(said(capsys, "audit", run, "--key", "mine", "--json"))["key"] == "mine"
    assert said(capsys, "runs", run).split()[:2] == ["mine", "audit"]
    assert said(capsys, "runs", run, "list") == said(capsys, "runs", run)
    assert f"{N} train samples; defaults" in said(capsys, "runs", run, "info", "mine")
    assert json.loads(said(capsys, "runs", run, "rename", "mine", "his", "--json")) == {"old": "mine", "new": "his"}
    facts = json.loads(said(capsys, "runs", run, "--json"))
    assert [one["key"] for one in facts["runs"]] == ["his"]
    assert json.loads(said(capsys, "runs", run, "info", "his", "--json"))["n_samples"] == N
    assert said(capsys, "runs", run, "delete", "his") == "Deleted his\n"
    assert json.loads(said(capsys, "runs", run, "list", "--json")) == {"runs": []}


def test_bad_input_is_one_line(run: str, capsys: Any) -> None:
    assert main(["audit", run, "--key", "mine", "--json"]) == 0
    capsys.readouterr()
    for words in (["info", "his"], ["rename", "his", "her"], ["delete", "his"], ["rename", "mine", "../mine"]):
        assert main(["runs", run, *words]) == 2
        problem = capsys.readouterr().err
        assert problem.startswith("labelaudit: ")
        assert problem.count("\n") == 1
    assert main(["runs", run + "x"]) == 2
    (Path(run) / "runs" / "mine.json").write_text("{")
    assert main(["runs", run, "info", "mine"]) == 2
    assert "mine.json is damaged" in capsys.readouterr().out
    assert "damaged" in said(capsys, "runs", run)
