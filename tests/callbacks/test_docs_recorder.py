"""The examples of docs/recorder.md run, and leave histories."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from labelaudit import open_history
from labelaudit.callbacks import PredictionRecorder

TEXT = (Path(__file__).parents[2] / "docs" / "recorder.md").read_text()


def blocks(section: str) -> list[str]:
    part = TEXT.split(f"\n## {section}\n")[1].split("\n## ")[0]
    return re.findall(r"```python\n(.*?)```", part, re.DOTALL)


@pytest.mark.parametrize(
    ("section", "epochs"), [("Plain PyTorch", {"plain": 3}), ("Arrays", {"partial_fit": 5, "boosting": 3})]
)
def test_an_example_runs(tmp_path: Path, monkeypatch: Any, section: str, epochs: dict[str, int]) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in blocks(section):
        exec(block, names)
    for run, n_epochs in epochs.items():
        assert open_history(f"runs/{run}").n_epochs == n_epochs


def test_every_option_is_listed_with_its_default() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (.+?) \|", TEXT, re.MULTILINE)
    listed = {name: default.strip("`") for names, default in rows for name in re.findall(r"\w+", names)}
    options = inspect.signature(PredictionRecorder.__init__).parameters
    defaults = {name: option.default for name, option in options.items() if name not in ("self", "path", "task")}
    assert listed == {
        name: f'"{default}"' if isinstance(default, str) else '("train",)' if name == "splits" else str(default)
        for name, default in defaults.items()
    }
