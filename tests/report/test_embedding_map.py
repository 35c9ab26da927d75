"""What the report holds of the embeddings: points, columns, and which picture is shown."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import labelaudit
from labelaudit import LabelAuditError, Recorder, open_history
from labelaudit.embedding import Visualization
from labelaudit.report.embedding_map import NO_VALUE, embedding_map
from labelaudit.report.page import make_report
from labelaudit.report.records import worst_first
from tests.report.sample_audits import GIVEN, N, logits


def picture(audit: labelaudit.Audit, n: int | None = None) -> Visualization:
    ids = audit.samples.index.to_numpy()[:n]
    return Visualization(np.random.default_rng(0).normal(size=(len(ids), 2)), ids, "pca")


def numbers(text: str, kind: str) -> Any:
    return np.frombuffer(base64.b64decode(text), kind)


def test_points_are_the_samples_and_their_cards(audit: labelaudit.Audit) -> None:
    shown, of = worst_first(audit, 30), picture(audit)
    data = embedding_map(audit, of, shown)
    assert data is not None
    place = numbers(data["place"], "<i4")
    assert place[shown].tolist() == list(range(30))
    rest = np.setdiff1d(np.arange(N), shown)
    assert place[rest].tolist() == [-1 - i for i in range(N - 30)]
    x = of.points[:, 0]
    np.testing.assert_allclose(numbers(data["x"], "<u2") / 65534, (x - x.min()) / np.ptp(x), atol=1e-4)


def test_columns_are_names_or_numbers(audit: labelaudit.Audit) -> None:
    data = embedding_map(audit, picture(audit), worst_first(audit, 30))
    assert data is not None
    columns = {column["name"]: column for column in data["columns"]}
    assert [*columns][:4] == ["given_label", "predicted_label", "label_quality", "is_label_issue"]
    assert {"mistakenness", "region", "true_label", "aum"} < set(columns)
    assert "reason" not in columns
    names = np.array([*columns["given_label"]["names"]])
    codes = numbers(columns["given_label"]["codes"], "<u2")
    assert names[codes].tolist() == audit.samples["given_label"].tolist()
    none = numbers(columns["suggested_label"]["codes"], "<u2") == NO_VALUE
    assert none.tolist() == audit.samples["suggested_label"].isna().tolist()
    flagged = numbers(columns["is_label_issue"]["codes"], "<u2")
    assert flagged.tolist() == audit.samples["is_label_issue"].astype(int).tolist()
    quality = numbers(columns["label_quality"]["values"], "<u2")
    order = np.argsort(audit.samples["label_quality"].to_numpy())
    assert (np.diff(quality[order].astype(int)) >= 0).all()


def test_many_points_are_thinned_out_but_no_card_is(audit: labelaudit.Audit) -> None:
    shown = worst_first(audit, 30)
    data = embedding_map(audit, picture(audit), shown, most=100)
    assert data is not None
    place = numbers(data["place"], "<i4")
    assert len(place) <= 100
    assert data["left_out"] == N - len(place)
    assert sorted(place[place >= 0].tolist()) == list(range(30))


def test_a_picture_of_some_samples_and_one_that_is_not_finite(audit: labelaudit.Audit) -> None:
    of = picture(audit, 50)
    of.points[3] = np.nan
    data = embedding_map(audit, of, worst_first(audit, 30))
    assert data is not None
    assert len(numbers(data["x"], "<u2")) == 49
    of.points[:] = 1.0
    flat = embedding_map(audit, of, worst_first(audit, 30))
    assert flat is not None
    assert set(numbers(flat["x"], "<u2").tolist()) == {0}
    of.points[:] = np.nan
    assert embedding_map(audit, of, worst_first(audit, 30)) is None


@pytest.fixture
def stored(tmp_path: Path) -> labelaudit.History:
    with Recorder(tmp_path / "run", n_samples=N) as recorder:
        for scores in logits():
            recorder.record(np.arange(N), scores, GIVEN)
            recorder.record_embeddings(np.arange(N), np.concatenate([scores, scores], axis=1))
            recorder.end_epoch()
    return open_history(tmp_path / "run")


def test_the_newest_picture_of_the_history_is_shown(stored: labelaudit.History) -> None:
    audit = labelaudit.audit(stored)
    assert 'id="embedding-title"' not in make_report(audit).html
    stored.visualize("pca", key="mine")
    for asked in (None, "mine", stored.runs.load("mine")):
        assert 'id="embedding-title"' in make_report(audit, visualization=asked).html
    assert 'id="embedding-title"' not in make_report(audit, visualization=False).html
    assert 'id="embedding-title"' in (labelaudit.audit(stored)._repr_html_()).replace("&quot;", '"')
    with pytest.raises(LabelAuditError, match="has no run 'his'; there are mine"):
        make_report(audit, visualization="his")
    place = Path(stored.runs.info("mine").path) / "points.arrow"
    place.write_bytes(place.read_bytes()[:-1])
    damaged = make_report(audit)
    assert 'id="embedding-title"' not in damaged.html
    assert any("visualization mine is damaged" in note for note in damaged.notes)


def test_what_is_no_picture_of_these_samples_is_refused(audit: labelaudit.Audit) -> None:
    with pytest.raises(LabelAuditError, match="is a ndarray; expected what"):
        make_report(audit, visualization=np.zeros((N, 2)))  # type: ignore[arg-type]
    other = Visualization(np.zeros((2, 2)), np.array(["x", "y"]), "pca")
    with pytest.raises(LabelAuditError, match=r"no point of any sample: its ids are like 'x', the audit's like 'img/0"):
        make_report(audit, visualization=other)
    with pytest.raises(LabelAuditError, match="is a key, and the history is not at hand"):
        make_report(labelaudit.Audit(audit.samples, audit.noise_matrix, audit.summary), visualization="mine")
