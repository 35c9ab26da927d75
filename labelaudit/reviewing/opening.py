"""A review, opened: for the command line and for notebooks."""

from __future__ import annotations

import contextlib
import getpass
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelaudit.auditing.opening import open_audit
from labelaudit.auditing.result import Audit
from labelaudit.errors import LabelAuditError
from labelaudit.history.samples import check_text
from labelaudit.report.media import Media
from labelaudit.report.source import history_of
from labelaudit.reviewing.decision_log import DecisionLog
from labelaudit.reviewing.decisions import load_decisions
from labelaudit.reviewing.server import ReviewServer
from labelaudit.reviewing.session import ReviewSession

if TYPE_CHECKING:
    import pandas as pd

DECISIONS = "review/decisions.jsonl"


class Review:
    """A review that is being served on this machine. Made by `labelaudit.review`; shown by a notebook as a frame.

    Attributes:
        url: where its page is; the address holds a token, and whoever has it can decide.
        decisions: the file that decisions go to.
    """

    def __init__(self, server: ReviewServer, log: DecisionLog, height: int) -> None:
        self._server, self._log, self._height = server, log, height
        self.url, self.decisions = server.url, log.path
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        self._thread.start()

    def __repr__(self) -> str:
        return f"Review at {self.url}, decisions in {self.decisions}"

    def _repr_html_(self) -> str:
        return (
            f'<div data-lm-suppress-shortcuts="true"><iframe src="{self.url}" title="Label review" width="100%" '
            f'height="{self._height}" style="border:1px solid #8a92a0;border-radius:8px"></iframe></div>'
        )

    def table(self) -> pd.DataFrame:
        """Return the decisions so far, as `load_decisions` does."""
        return load_decisions(self.decisions)

    def decide(self, sample: Any, action: str, label: Any = None, *, reviewer: str = "script") -> None:
        """Write one decision without the page.

        Args:
            sample: its id.
            action: "relabel" (with a label), "keep", "remove" or "unsure"; of boxes also "move" and "add".
            label: the new label; the given one again is written as "keep", as on the page.
            reviewer: who decides.

        Raises:
            LabelAuditError: there is no such sample, action or label.
        """
        self._server.session.decide_by_id(sample, action, label, reviewer)

    def wait(self) -> None:
        """Wait until the review is closed or interrupted."""
        while self._thread.is_alive():
            self._thread.join(0.5)

    def close(self) -> None:
        """End the server and let go of the file; what was decided is on disk already."""
        self._server.shutdown()
        self._server.server_close()
        self._log.close()

    def __enter__(self) -> Review:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def review(
    audit: Audit | str | os.PathLike[str],
    *,
    images: Any = None,
    texts: Any = None,
    rows: Any = None,
    history: Any = None,
    decisions: str | os.PathLike[str] | None = None,
    reviewer: str | None = None,
    height: int = 760,
) -> Review:
    """Open a review in a notebook: decide sample by sample, the most suspicious first.

    The page comes from a server on this machine (127.0.0.1) that ends with the kernel or with ``close()``; each
    decision is on disk before the next sample appears, and the same call goes on where it stopped.

    Args:
        audit: the audit, the folder of one, or a run, which is audited.
        images: as in `Audit.to_html`: an array, a list, a function of the sample id, or a folder.
        texts: the same for texts.
        rows: DataFrame indexed by sample id, or a CSV or Parquet file whose first column is the sample id.
        history: for the curves over the epochs, where the audit does not have it at hand.
        decisions: file for the decisions; default: ``review/decisions.jsonl`` in the audit's or the run's folder.
        reviewer: who decides; default: the user's name.
        height: of the frame, in pixels.

    Returns:
        A `Review`: shown as a frame by the notebook; ``.table()`` has the decisions.

    Raises:
        LabelAuditError: the file holds decisions on other labels, or is open elsewhere.
    """
    options: dict[str, Any] = {"images": images, "texts": texts, "rows": rows, "history": history}
    return open_review(audit, decisions=decisions, reviewer=reviewer, height=height, embedded=True, **options)


def open_review(
    source: Any,
    *,
    images: Any = None,
    texts: Any = None,
    rows: Any = None,
    history: Any = None,
    decisions: str | os.PathLike[str] | None = None,
    reviewer: str | None = None,
    port: int = 0,
    height: int = 760,
    embedded: bool = False,
) -> Review:
    """Open a review and begin to serve it; the arguments are those of `review`."""
    check_text([reviewer], "reviewer")
    audit = open_audit(source)
    place = decisions_place(source, decisions)
    log = _log(audit, place)
    try:
        session = _session(audit, log, images, texts, rows, history)
        server = ReviewServer(session, port, _user() if reviewer is None else reviewer, embedded=embedded)
    except BaseException:
        log.close()
        raise
    return Review(server, log, height)


def _log(audit: Audit, place: Path) -> DecisionLog:
    if audit.objects is None:
        return DecisionLog(place, audit)
    from labelaudit.detection.findings.issues import issues_of

    return DecisionLog(place, issues_of(audit).audit)


def _session(audit: Audit, log: DecisionLog, images: Any, texts: Any, rows: Any, history: Any) -> ReviewSession:
    if audit.objects is not None:
        if texts is not None or rows is not None:
            raise LabelAuditError("a review of boxes shows pictures; leave texts= and rows= (--rows) out")
        from labelaudit.detection.findings.review import BoxReview

        return BoxReview(audit, log, images, history)
    ids = audit.samples.index.to_numpy()
    if isinstance(rows, (str, os.PathLike)):
        rows = read_rows(rows, as_text=ids.dtype.kind not in "iu")
    media = Media(ids, images, texts, rows)
    return ReviewSession(audit, log, media, history_of(audit, history))


def decisions_place(source: Any, decisions: str | os.PathLike[str] | None) -> Path:
    """Return the file for the decisions on an audit: as named, else in the folder of the audit or of its one run."""
    if decisions is not None:
        return Path(decisions)
    if isinstance(source, Audit):
        runs = source.info.get("history") or []
        source = runs[0] if len(runs) == 1 else None
    elif "://" not in os.fspath(source) and not Path(source).exists():
        raise LabelAuditError(
            f"there is no folder {source}; name a run's or an audit's, or the decisions with --decisions"
        )
    if source is None or "://" in os.fspath(source) or not Path(source).is_dir():
        raise LabelAuditError("say where the decisions are kept: decisions= (--decisions FILE)")
    return Path(source) / DECISIONS


def read_rows(path: str | os.PathLike[str], *, as_text: bool) -> pd.DataFrame:
    """Read a table whose first column is the sample id; ``as_text`` keeps ids such as 007 as a CSV file has them."""
    import pandas as pd

    place = Path(path)
    try:
        if place.suffix.lower() == ".parquet":
            table = pd.read_parquet(place)
        else:
            table = pd.read_csv(place)
            if as_text:
                ids = pd.read_csv(place, usecols=[0], dtype=str, keep_default_na=False)
                table[table.columns[0]] = ids.iloc[:, 0]
    except (ValueError, OSError) as problem:
        raise LabelAuditError(f"{place} cannot be read as a table: {problem}") from None
    return table.set_index(table.columns[0]) if table.index.name is None else table


def _user() -> str:
    with contextlib.suppress(KeyError, OSError, ImportError):  # a container may run without a user's name
        return getpass.getuser()
    return ""
