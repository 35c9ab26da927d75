"""Embeddings in an audit: a second witness that counts as far as it is reliable."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

import labelaudit
from labelaudit import Embeddings, LabelAuditError
from labelaudit.auditing.look_alikes import reliability

RNG = np.random.default_rng(0)
N, K = 600, 4
TRUE = RNG.integers(K, size=N)
GIVEN, PLANTED = labelaudit.plant_mistakes(TRUE, 0.1, "symmetric", seed=1)
WRONG = GIVEN != TRUE
HONEST = np.eye(K)[TRUE] * 4 + RNG.normal(size=(N, K))
BY_HEART = np.eye(K)[GIVEN] * 4 + RNG.normal(size=(N, K))  # features that learned the wrong labels too
NOISE = RNG.normal(size=(N, K))
IDS = [f"img/{i}.png" for i in range(N)]


def history(certain: float = 2.5, **options: Any) -> labelaudit.History:
    """Six epochs of a model that is right most of the time."""
    rng = np.random.default_rng(2)
    logits = certain * np.eye(K)[TRUE] + rng.normal(size=(6, N, K)) + rng.normal(size=(N, K))
    return labelaudit.history_from_arrays(logits, GIVEN, scores_are="logits", **options)


def precision_of(audit: labelaudit.Audit) -> float:
    return float(average_precision_score(WRONG, 1 - audit.samples["label_quality"]))


def test_look_alikes_improve_the_ranking_where_they_know_something() -> None:
    of = history()
    alone = labelaudit.audit(of)
    both = labelaudit.audit(of, embeddings=Embeddings.from_arrays(HONEST))
    assert precision_of(both) > precision_of(alone) + 0.05
    assert both.info["embeddings"]["reliability"] > 0.45
    assert both.info["embeddings"] | {"reliability": 0} == {
        "samples": N,
        "neighbours": 20,
        "recall": 1.0,
        "reliability": 0,
    }


@pytest.mark.parametrize("vectors", [BY_HEART, NOISE, np.ones((N, 2))], ids=["learned by heart", "noise", "constant"])
def test_look_alikes_that_know_nothing_hardly_count(vectors: np.ndarray) -> None:
    of = history()
    alone = labelaudit.audit(of)
    both = labelaudit.audit(of, embeddings=Embeddings.from_arrays(vectors))
    assert both.info["embeddings"]["reliability"] < 0.2
    assert abs(precision_of(both) - precision_of(alone)) < 0.02
    assert abs(int(both.samples["is_label_issue"].sum()) - int(alone.samples["is_label_issue"].sum())) <= N // 50


def test_on_right_labels_they_flag_no_more() -> None:
    rng = np.random.default_rng(3)
    logits = 2 * np.eye(K)[TRUE] + rng.normal(size=(6, N, K)) + 0.5 * rng.normal(size=(N, K))
    of = labelaudit.history_from_arrays(logits, TRUE, scores_are="logits")
    alone = labelaudit.audit(of)
    both = labelaudit.audit(of, embeddings=Embeddings.from_arrays(HONEST))
    assert both.summary.n_flagged <= alone.summary.n_flagged + 2


def test_columns_and_reasons(tmp_path: Path) -> None:
    vectors = HONEST.copy()
    flagged = labelaudit.audit(history(3.0, sample_ids=IDS)).issues.index[0]
    at = IDS.index(flagged)
    twin = int(np.flatnonzero(TRUE[at] == GIVEN)[0])
    vectors[twin] = vectors[at]
    of = history(3.0, sample_ids=IDS, class_names=["ant", "bee", "cat", "dog"])
    found = labelaudit.audit(of, embeddings=Embeddings.from_arrays(vectors, IDS))
    row = found.samples.loc[flagged]
    assert row["nearest_conflict"] == IDS[twin]
    assert found.samples.loc[IDS[twin], "nearest_conflict"] == flagged
    assert row["neighbor_agreement"] < 0.5
    names = np.array(["ant", "bee", "cat", "dog"])
    assert f"carry the label {names[TRUE[at]]}" in row["reason"]
    assert f"Sample {IDS[twin]} has the same features and the label {names[TRUE[at]]}." in row["reason"]
    assert (found.samples.loc[~found.samples["is_label_issue"], "reason"] == "").all()
    agreement = found.samples["neighbor_agreement"]
    assert agreement.between(0, 1).all()
    assert roc_auc_score(WRONG, -agreement) > 0.9
    found.save(tmp_path / "audit")
    again = labelaudit.load_audit(tmp_path / "audit")
    pd.testing.assert_frame_equal(again.samples, found.samples, check_dtype=False)
    found.to_html(tmp_path / "report.html")
    found.to_csv(tmp_path / "issues.csv")


def test_ids_decide_which_vector_belongs_to_which_sample() -> None:
    of = history(sample_ids=IDS)
    straight = labelaudit.audit(of, embeddings=Embeddings.from_arrays(HONEST, IDS))
    order = np.random.default_rng(4).permutation(N)
    more = np.concatenate([HONEST[order], NOISE[:50]])
    shuffled = Embeddings.from_arrays(more, [IDS[i] for i in order] + [f"other{i}" for i in range(50)])
    again = labelaudit.audit(of, embeddings=shuffled)
    np.testing.assert_allclose(again.samples["label_quality"], straight.samples["label_quality"], rtol=1e-9)
    assert again.samples["nearest_conflict"].equals(straight.samples["nearest_conflict"])


def test_samples_without_an_embedding_are_judged_by_the_history() -> None:
    of = history()
    found = labelaudit.audit(of, embeddings=Embeddings.from_arrays(HONEST[:500]))
    assert found.samples["neighbor_agreement"].isna().sum() == 100
    assert found.samples["nearest_conflict"].iloc[500:].isna().all()
    assert "100 of 600 samples have no embedding" in str(found.summary)
    assert found.info["embeddings"]["samples"] == 500
    assert precision_of(found) > precision_of(labelaudit.audit(of)) + 0.04


@pytest.mark.parametrize(
    ("embeddings", "message"),
    [
        (HONEST, r"embeddings is a ndarray; expected labelaudit\.Embeddings"),
        (Embeddings.from_arrays(HONEST, IDS), r"its first id is \[0\], that of the embeddings \['img/0\.png'\]"),
        (Embeddings.from_arrays(HONEST, inside=np.arange(N)), "embeddings of regions"),
    ],
)
def test_what_is_no_embedding_of_the_samples(embeddings: Any, message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        labelaudit.audit(history(), embeddings=embeddings)


def test_few_samples_and_a_model_that_learned_nothing() -> None:
    few = labelaudit.history_from_arrays([[[0.9, 0.1], [0.8, 0.2], [0.1, 0.9]]] * 3, [0, 0, 1])
    found = labelaudit.audit(few, embeddings=Embeddings.from_arrays([[0.0], [1.0], [9.0]]))
    assert found.info["embeddings"]["neighbours"] == 2
    blind = labelaudit.history_from_arrays(np.full((3, 40, 2), 0.5), [0, 1] * 20)
    found = labelaudit.audit(blind, embeddings=Embeddings.from_arrays(np.arange(40.0)[:, None]))
    assert found.info["embeddings"]["reliability"] == 0
    assert not found.samples["is_label_issue"].any()


def test_reliability_is_twice_the_area_less_one() -> None:
    ratio, wrong = RNG.normal(size=300).round(1), RNG.random(300)
    draws = np.concatenate([ratio, ratio])
    area = roc_auc_score(np.repeat([1, 0], 300), draws, sample_weight=np.concatenate([wrong, 1 - wrong]))
    assert reliability(ratio, wrong) == pytest.approx(max(2 * area - 1, 0))
    assert reliability(ratio, np.zeros(300)) == 0
    assert reliability(-wrong, wrong) == 0
