"""The examples of docs/runs.md run."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from test_named_embeddings import record

from labelaudit.cli import main

TEXT = (Path(__file__).parents[2] / "docs" / "runs.md").read_text()


def test_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record("runs/digits")
    names: dict[str, Any] = {}
    first, second = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(first, names)
    for line in second.splitlines():
        code, _, said = line.partition("  # ")
        if said.strip().startswith("["):
            assert repr(eval(code, names)) == said.strip()
        else:
            exec(code, names)
    assert names["history"].runs.list() == ["look-alikes", "pca"]


def test_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.chdir(tmp_path)
    record("runs/digits")
    commands = re.findall(r"^labelaudit (.*)$", TEXT, re.MULTILINE)
    assert len(commands) == 5
    for command in commands:
        assert main(shlex.split(command)) == 0
    assert capsys.readouterr().out.endswith('{"deleted": "audit-0.3"}\n')
