"""Votes and their share, against a slow reference; and the pickle of auto-correct-labels."""

from __future__ import annotations

import pickle
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from labelaudit import LabelAuditError
from labelaudit.auditing.planted import wilson
from labelaudit.fitting.fitted import Fitted
from labelaudit.fitting.fitting import fit
from labelaudit.fitting.out_of_sample import OutOfSample, votes_of, votes_of_tracker
from labelaudit.history import open_history
from tests.fitting.conftest import CLASSES, TINY, write_tree

RANDOM = np.random.default_rng(0)
VOTES = np.where(RANDOM.random((7, 200)) < 0.4, -1, RANDOM.integers(0, 4, (7, 200)))
VOTES[:, 0] = -1


def test_votes_against_a_slow_reference() -> None:
    asked = RANDOM.integers(0, 4, 200)
    out = OutOfSample(VOTES, np.zeros((200, 2)), asked)
    best, share_of_best = out.most_voted()
    share, low, num = out.share(), out.lowest_share(), out.num_preds
    for i in range(200):
        cast = [vote for vote in VOTES[:, i].tolist() if vote >= 0]
        assert num[i] == len(cast)
        if not cast:
            assert best[i] == -1
            assert np.isnan([share[i], low[i], share_of_best[i]]).all()
            continue
        counts = Counter(cast)
        most = max(counts.values())
        assert best[i] == min(vote for vote, count in counts.items() if count == most)
        assert share_of_best[i] == pytest.approx(most / len(cast))
        assert share[i] == pytest.approx(counts[asked[i]] / len(cast))
        assert low[i] == pytest.approx(wilson(counts[asked[i]], len(cast))[0])


def test_no_vote_is_by_a_model_that_trained_on_the_image(fitted: Fitted) -> None:
    ids = [str(one) for one in fitted.audit.samples.index]
    votes = votes_of(fitted.histories, [2, 2], ids)
    assert (votes >= 0).sum(axis=0).tolist() == [1] * len(ids)
    for row, folder in enumerate(fitted.histories):
        history = open_history(folder)
        trained_on = {str(one) for one in history.ids("train")}
        for i, name in enumerate(ids):
            assert (votes[row, i] >= 0) == (name not in trained_on)
        last = history.epoch(2, split="val").to_pandas().set_index("sample_id")["prediction"]
        assert last.to_dict() == {name: votes[row, i] for i, name in enumerate(ids) if votes[row, i] >= 0}


def test_columns_of_the_table_follow_from_the_votes(fitted: Fitted) -> None:
    table = fitted.corrections
    votes = votes_of(fitted.histories, [2, 2], list(table.index))
    names = np.array([*CLASSES, None], dtype=object)
    assert table["num_preds"].tolist() == (votes >= 0).sum(axis=0).tolist()
    for i, (_, row) in enumerate(table.iterrows()):
        cast = [names[vote] for vote in votes[:, i] if vote >= 0]
        assert row["%"] == pytest.approx(100 * cast.count(row["corrected_label"]) / len(cast), abs=0.01)
    assert table["corrected_probability"].between(0, 1).all()
    probabilities = [open_history(folder).epoch(2, split="val").to_pandas() for folder in fitted.histories]
    one = probabilities[0].iloc[0]  # the mean over the second half of 3 epochs: the last two
    others = [open_history(fitted.histories[0]).epoch(e, split="val").to_pandas().iloc[0]["p_given"] for e in (1, 2)]
    assert table.loc[one["sample_id"], "label_probability"] == pytest.approx(np.mean(others), abs=1e-3)


@pytest.fixture
def tracker(tmp_path: Path) -> Path:
    entries = {
        "./data/bar/bar005.png": {"label": "bar", "corrected_label": ["dot", "dot", "bar"]},
        "./data/dot/dot005.png": {"label": "dot", "corrected_label": ["gone class"]},
        "./data/dot/removed.png": {"label": "dot", "corrected_label": ["dot"]},
    }
    file = tmp_path / "temp_pred_tracker.pickle"
    file.write_bytes(pickle.dumps(entries, protocol=pickle.HIGHEST_PROTOCOL))
    return file


def test_the_tracker_of_auto_correct_labels_counts(tracker: Path) -> None:
    ids = ["bar/bar004.png", "bar/bar005.png", "dot/dot005.png"]
    votes = votes_of_tracker(str(tracker), ids, CLASSES, np.array([0, 0, 2]))
    assert votes.T.tolist() == [[-1, -1, -1], [2, 2, 0], [-1, -1, -1]]


def test_fit_merges_the_tracker(tracker: Path, tmp_path: Path) -> None:
    write_tree(tmp_path / "data", per_class=8)
    options = {**TINY, "n_repeats": 2, "num_epochs": 1}
    found = fit(data_path=tmp_path / "data", results_path=tmp_path / "r", pred_tracker=tracker, **options)
    assert found.corrections.loc["bar/bar005.png", "num_preds"] == 1 + 3
    assert found.corrections.loc["bar/bar004.png", "num_preds"] == 1


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return (print, ("executed",))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (pickle.dumps({"a": Evil()}), "refused"),
        (pickle.dumps([1, 2]), "is no tracker"),
        (pickle.dumps({"a": [1]}), "is no tracker"),
        (b"\x80", "no readable pickle"),
        (pickle.dumps({"x/y.png": {"label": "bar", "corrected_label": []}}), "knows none of the images"),
        (pickle.dumps({"bar/bar005.png": {"label": "dot", "corrected_label": []}}), "made with other labels"),
    ],
)
def test_other_pickles(tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, message: str) -> None:
    (tmp_path / "t.pickle").write_bytes(content)
    with pytest.raises(LabelAuditError, match=message):
        votes_of_tracker(str(tmp_path / "t.pickle"), ["bar/bar005.png"], CLASSES, np.array([0]))
    assert "executed" not in capsys.readouterr().out


def test_no_tracker(tmp_path: Path) -> None:
    with pytest.raises(LabelAuditError, match="there is no file"):
        votes_of_tracker(str(tmp_path / "none"), [], [], np.array([]))
