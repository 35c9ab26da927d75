"""What the labels of neighbours say, against the same written out."""

from __future__ import annotations

import numpy as np
import pytest

from labelaudit import Embeddings, LabelAuditError
from labelaudit.embedding.label_votes import LabelVotes
from labelaudit.embedding.neighbours import Neighbours

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(size=(40, 4)) + 6 * one for one in np.eye(4)[:3]])
LABELS = np.repeat([0, 1, 2], 40)
LABELS[[3, 50]] = [2, 0]


def test_votes_are_weighted_by_nearness_and_leave_the_sample_out() -> None:
    e = Embeddings.from_arrays(X, labels=LABELS)
    votes, near = e.label_votes(10), e.neighbors(10)
    for i in (0, 3, 50, 119):
        weights = 1 / (near.distances[i] / near.distances[i, -1] + 0.3)
        share = weights[LABELS[near.indices[i]] == LABELS[i]].sum() / weights.sum()
        assert votes.share(LABELS)[i] == pytest.approx(share)
    p = votes.probabilities()
    assert p.shape == (120, 3)
    np.testing.assert_allclose(p.sum(axis=1), 1)
    right = np.repeat([0, 1, 2], 40)
    assert (p.argmax(axis=1) == right).mean() > 0.97
    ratio = votes.log_ratio(LABELS, np.where(right == LABELS, (LABELS + 1) % 3, right))
    np.testing.assert_allclose(ratio[3], np.log(p[3, 0] / p[3, 2]))
    assert ratio[[3, 50]].min() > 1
    assert np.delete(ratio, [3, 50]).max() < 1


def test_copies_do_not_vote_but_their_conflicts_are_told() -> None:
    x = np.array([[0.0, 1], [0, 1], [0, 1], [1, 1], [1, 1.1], [1, 1.2]])
    e = Embeddings.from_arrays(x, labels=[0, 1, 0, 1, 1, 1])
    votes = e.label_votes(5)
    assert votes.conflict.tolist() == [1, 0, 1, -1, -1, -1]
    np.testing.assert_array_equal(votes.weights[0] > 0, e.neighbors(5).distances[0] > 0)
    assert votes.share(np.array([0, 1, 0, 1, 1, 1]))[:3].tolist() == [0.0, 1.0, 0.0]
    only_copies = Embeddings.from_arrays(np.ones((4, 2)), labels=[0, 0, 1, 0]).label_votes()
    assert np.isnan(only_copies.share(np.zeros(4, int))).all()
    assert (only_copies.log_ratio(np.zeros(4, int), np.ones(4, int)) == 0).all()
    assert only_copies.conflict.tolist() == [2, 2, 0, 2]


def test_missing_labels_have_no_vote() -> None:
    e = Embeddings.from_arrays([[0.0], [1], [2]], labels=[0, -1, 1])
    votes = e.label_votes(2, metric="euclidean")
    assert votes.conflict.tolist() == [-1, -1, -1]  # the nearest has no label, or the sample has none
    np.testing.assert_array_equal(votes.weights > 0, [[False, True], [True, True], [False, True]])


def test_a_sample_alone_and_one_class() -> None:
    alone = LabelVotes.of(Neighbours(np.empty((1, 0), int), np.empty((1, 0))), np.array([1]), 2)
    assert np.isnan(alone.share(np.array([1]))).all()
    assert alone.conflict.tolist() == [-1]
    one = Embeddings.from_arrays(X, labels=np.zeros(120, int)).label_votes()
    assert (one.share(np.zeros(120, int)) == 1).all()
    with pytest.raises(LabelAuditError, match="no labels that could vote"):
        Embeddings.from_arrays(X).label_votes()
