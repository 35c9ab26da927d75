"""AuditLogger: what each kind of logger gets when training ends."""

from __future__ import annotations

import importlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import pytest
from lightning.pytorch.loggers import CSVLogger, Logger
from spy import Spy, loader

from labelaudit import LabelAuditError, Recorder
from labelaudit.callbacks import AuditLogger
from labelaudit.callbacks.audit_logger import _markdown

N, K = 60, 3
NAMES = ["<b>cat</b>", "dog|x", "owl"]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    labels = np.arange(N) % K
    given = np.where(np.arange(N) % 10 == 0, (labels + 1) % K, labels)
    with Recorder(tmp_path / "run", class_names=NAMES) as recorder:
        for epoch in range(4):
            scores = rng.normal(size=(N, K), scale=0.3)
            scores[np.arange(N), labels] += 2 + epoch
            recorder.record(np.arange(N), scores, given)
            recorder.end_epoch()
    return tmp_path / "run"


class Calls:
    """Remembers every call of every name."""

    def __init__(self) -> None:
        self.made: dict[str, list[tuple[Any, ...]]] = {}
        self.summary: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **_: self.made.setdefault(name, []).append(arguments)


def logger_named(kind: str) -> Any:
    class Named(Logger):
        name, version, run_id = "n", 0, "run1"

        def __init__(self) -> None:
            super().__init__()
            self.experiment, self.numbers = Calls(), {}  # type: ignore[var-annotated]

        def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
            self.numbers.update(metrics)

        def log_hyperparams(self, *_: Any, **__: Any) -> None:
            """None are logged."""

    Named.__name__ = kind
    return Named()


def fit(callback: Any, loggers: Any, tmp_path: Path, **options: Any) -> None:
    quiet = {"enable_progress_bar": False, "enable_model_summary": False, "enable_checkpointing": False}
    lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=loggers,
        callbacks=[callback],
        default_root_dir=tmp_path,
        **quiet,
        **options,
    ).fit(Spy(), loader())


def test_every_logger_gets_the_numbers_and_its_own_kind_of_table(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {"Table": lambda dataframe: ("table", dataframe), "Html": lambda text: ("html", text)}
    monkeypatch.setitem(importlib.import_module("sys").modules, "wandb", SimpleNamespace(**made))
    board, weights, flow = (logger_named(kind) for kind in ("TensorBoardLogger", "WandbLogger", "MLFlowLogger"))
    csv = CSVLogger(tmp_path / "csv")
    callback = AuditLogger(run, top=3)
    fit(callback, [board, weights, flow, csv], tmp_path)
    found = callback.audit
    assert found is not None
    for one in (board, weights, flow):
        assert one.numbers["labelaudit/n_flagged"] == found.summary["n_flagged"]
        assert one.numbers["labelaudit/estimated_errors"] == found.summary["estimated_errors"]
    texts = dict(board.experiment.made["add_text"])
    assert "Estimated wrong labels" in texts["labelaudit/summary"]
    assert texts["labelaudit/worst"].count("\n") == 4
    assert "<b>" not in texts["labelaudit/worst"]
    [(logged,)] = weights.experiment.made["log"]
    assert len(logged["labelaudit/worst"][1]) == 3
    assert logged["labelaudit/report"][1].startswith("<!doctype html>")
    assert "Estimated" in weights.experiment.summary["labelaudit/summary"]
    assert flow.experiment.made["log_text"][1][1].count("\n") == 4
    assert flow.experiment.made["log_artifact"][0][0] == "run1"


def test_what_is_not_wanted_is_not_logged(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(importlib.import_module("sys").modules, "wandb", SimpleNamespace())
    weights, flow = logger_named("WandbLogger"), logger_named("MLFlowLogger")
    fit(AuditLogger(run, report=False, log_rows=False), [weights, flow], tmp_path)
    assert weights.experiment.made["log"] == [({},)]
    assert [name for name in flow.experiment.made if name.startswith("log_art")] == []
    assert len(flow.experiment.made["log_text"]) == 1


def test_no_audit_of_a_fast_dev_run_or_without_a_history(run: Path, tmp_path: Path) -> None:
    callback = AuditLogger(run)
    fit(callback, False, tmp_path, fast_dev_run=True)
    assert callback.audit is None
    with pytest.raises(LabelAuditError, match="no history"):
        fit(AuditLogger(tmp_path / "typo"), False, tmp_path)
    with pytest.raises(LabelAuditError, match="top=-1"):
        AuditLogger(run, top=-1)
    assert isinstance(callback, importlib.import_module("pytorch_lightning").Callback)


def test_markup_in_a_table_is_escaped() -> None:
    import pandas as pd

    said = _markdown(pd.DataFrame({"a": ["<img>|\n&"], "b": [1]}))
    assert said == "|a|b|\n|---|---|\n|&lt;img&gt;&#124; &amp;|1|"
