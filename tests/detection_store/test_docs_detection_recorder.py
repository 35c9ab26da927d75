"""The example of docs/detection_recorder.md runs, and its table lists every option."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

from labelaudit import open_history
from labelaudit.callbacks import DetectionRecorder

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "detection_recorder.md").read_text()


def test_the_example_runs(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    section = TEXT.split("\n## Without Lightning\n")[1].split("\n## ")[0]
    exec(re.findall(r"```python\n(.*?)```", section, re.DOTALL)[0], {})
    assert open_history("runs/arrays").n_epochs == 3


def test_every_option_is_listed_with_its_default() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| (.+?) \|", TEXT.split("\n## Options\n")[1], re.MULTILINE)
    listed = {name: default.strip("`") for names, default in rows for name in re.findall(r"\w+", names)}
    options = inspect.signature(DetectionRecorder.__init__).parameters
    defaults = {name: option.default for name, option in options.items() if name not in ("self", "path")}
    assert listed == {
        name: f'"{value}"' if isinstance(value, str) else str(value) for name, value in defaults.items()
    } | {"splits": '("train",)'}


def test_files_named_in_the_note_on_tasks_are_there() -> None:
    text, places = (DOCS / "tasks.md").read_text(), Path(__file__).parents[2]
    for name in re.findall(r"`((?:history|detection|callbacks|auditing|report|analyzers)/[\w/.]*)`", text):
        assert (places / "labelaudit" / name).exists(), name
