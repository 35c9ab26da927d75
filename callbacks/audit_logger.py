"""Logs the audit of a finished training to the trainer's own loggers."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelaudit.errors import LabelAuditError
from labelaudit.history.folder import fixed_place

__all__ = ["AuditLogger"]

if TYPE_CHECKING:
    from lightning.pytorch import Callback as _Callback

    from labelaudit.auditing import Audit
else:
    # Each of Lightning's two packages accepts only its own Callback: this is both.
    _packages = [name for name in ("lightning.pytorch", "pytorch_lightning") if find_spec(name.split(".")[0])]
    if not _packages:
        raise ImportError("AuditLogger needs Lightning. Install it: pip install lightning")
    _Callback = type("_Callback", tuple(import_module(name).Callback for name in _packages), {})

COLUMNS = ["given_label", "suggested_label", "suggestion_confidence", "label_quality", "reason"]


class AuditLogger(_Callback):
    """Audits the history when training ends, and logs summary, worst samples and report to every logger.

    Every logger gets the numbers, under ``labelaudit/``: estimated_errors, estimated_error_rate, n_flagged. TensorBoard
    gets the summary and the table as text; Weights & Biases a table and the report as HTML; MLflow the table and the
    report as artifacts. A logger of another kind gets the numbers.

    Args:
        path: the history's folder, as given to `PredictionRecorder`, which stands in the trainer's callbacks as well.
        top: how many of the flagged samples the table has, the worst first.
        images: pictures of the samples for the report, as in `Audit.to_html`.
        report: whether to make the report.
        log_rows: whether to log the table of samples; their ids and labels then leave this machine if the logger's
            server is elsewhere.

    Raises:
        LabelAuditError: top is negative; at the end of training, if there is no history in path.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        top: int = 100,
        images: Any = None,
        report: bool = True,
        log_rows: bool = True,
    ) -> None:
        super().__init__()
        if top < 0:
            raise LabelAuditError(f"top={top} is out of range; expected 0 or more")
        self.path, self._top, self._images = fixed_place(path), top, images
        self._report, self._log_rows = report, log_rows
        self.audit: Audit | None = None

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Audit and log, in the first process only."""
        from labelaudit.auditing import audit

        if trainer.is_global_zero and not trainer.fast_dev_run and not trainer.interrupted:
            self.audit = audit(self.path)
            self._log(self.audit, trainer.loggers)

    def _log(self, found: Audit, loggers: list[Any]) -> None:
        numbers = ("estimated_errors", "estimated_error_rate", "n_flagged")
        columns = [name for name in COLUMNS if name in found.samples]  # images of boxes have no label
        rows = found.issues[columns].head(self._top if self._log_rows else 0)
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "label_audit.html"
            if self._report:
                found.to_html(report, images=self._images)
            for logger in loggers:
                logger.log_metrics({f"labelaudit/{name}": float(found.summary[name]) for name in numbers})
                write = _WRITERS.get(type(logger).__name__)
                if write is not None:
                    write(logger, str(found.summary), rows, report if self._report else None)


def _to_tensorboard(logger: Any, summary: str, rows: Any, report: Path | None) -> None:
    writer = logger.experiment
    writer.add_text("labelaudit/summary", "\n".join(f"    {line}" for line in summary.splitlines()))
    if len(rows):
        writer.add_text("labelaudit/worst", _markdown(rows.reset_index()))
    writer.flush()


def _markdown(table: Any) -> str:
    """Return a table as Markdown; what could be markup in it is escaped."""
    lines = [table.columns.tolist(), ["---"] * len(table.columns), *table.astype(object).to_numpy().tolist()]
    return "\n".join("|" + "|".join(_escaped(str(cell)) for cell in line) + "|" for line in lines)


def _escaped(cell: str) -> str:
    for mark, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("|", "&#124;"), ("\n", " ")):
        cell = cell.replace(mark, entity)
    return cell


def _to_wandb(logger: Any, summary: str, rows: Any, report: Path | None) -> None:
    wandb = import_module("wandb")
    run = logger.experiment
    run.summary["labelaudit/summary"] = summary
    found: dict[str, Any] = {}
    if len(rows):
        table = rows.reset_index()
        names = [name for name in ("sample_id", "given_label", "suggested_label") if name in table]
        table = table.astype(dict.fromkeys(names, str))
        found["labelaudit/worst"] = wandb.Table(dataframe=table)
    if report is not None:
        found["labelaudit/report"] = wandb.Html(report.read_text(encoding="utf-8"))
    run.log(found)


def _to_mlflow(logger: Any, summary: str, rows: Any, report: Path | None) -> None:
    client, run = logger.experiment, logger.run_id
    client.log_text(run, summary, "labelaudit/summary.txt")
    if len(rows):
        client.log_text(run, rows.to_csv(lineterminator="\n"), "labelaudit/worst.csv")
    if report is not None:
        client.log_artifact(run, str(report), "labelaudit")


_WRITERS: dict[str, Callable[[Any, str, Any, Path | None], None]] = {
    "TensorBoardLogger": _to_tensorboard,
    "WandbLogger": _to_wandb,
    "MLFlowLogger": _to_mlflow,
}
