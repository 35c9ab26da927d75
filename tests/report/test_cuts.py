"""Places of the cut: counts are exact, precision is right where label_quality is a probability."""

from __future__ import annotations

import numpy as np
import pytest

import labelaudit
from labelaudit.report.cuts import cut_table, error_probabilities

RNG = np.random.default_rng(0)
QUALITY = np.concatenate([RNG.beta(1, 8, 500), RNG.beta(20, 1, 4_500)])


@pytest.mark.parametrize("expected", [3.0, 400.0, 4_900.0])
def test_probabilities_add_up_to_the_estimate_and_keep_the_order(expected: float) -> None:
    found = error_probabilities(QUALITY, expected)
    assert found.sum() == pytest.approx(expected, rel=1e-6)
    assert np.array_equal(np.argsort(found, kind="stable"), np.argsort(-QUALITY, kind="stable"))


def test_a_posterior_stays_as_it_is() -> None:
    np.testing.assert_allclose(error_probabilities(QUALITY, float((1 - QUALITY).sum())), 1 - QUALITY, atol=1e-5)


def test_nothing_and_everything_wrong() -> None:
    assert error_probabilities(QUALITY, 0).max() == 0
    assert error_probabilities(QUALITY, len(QUALITY)).min() == 1


def test_estimated_precision_is_the_true_one_of_a_calibrated_quality() -> None:
    wrong = RNG.random(len(QUALITY)) > QUALITY
    table = cut_table(QUALITY, 500, float(wrong.sum()))
    hits = np.append(0, np.cumsum(wrong[np.argsort(QUALITY, kind="stable")]))
    for n, precision, recall in zip(table["n"], table["precision"], table["recall"], strict=True):
        if n >= 200:
            assert precision == pytest.approx(hits[n] / n, abs=0.05)
            assert recall == pytest.approx(hits[n] / wrong.sum(), abs=0.05)


def test_every_place_flags_exactly_the_samples_below_it() -> None:
    tied = np.round(QUALITY, 2)
    table = cut_table(tied, int((tied < 0.5).sum()), 500)
    assert table["n"] == sorted(set(table["n"]))
    assert table["n"][0] == 0
    assert table["n"][-1] == len(tied)
    assert table["n"][table["automatic"]] == (tied < 0.5).sum()
    for n, quality in zip(table["n"], table["quality"], strict=True):
        if 0 < n < len(tied):
            assert (tied < quality).sum() == n, "samples of equal quality are never torn apart"


def test_measured_on_planted_mistakes(audit: labelaudit.Audit) -> None:
    measured = audit.measured
    assert measured is not None
    quality = audit.samples["label_quality"].to_numpy()
    table = cut_table(quality, measured.n_flagged, audit.summary["estimated_errors"], measured)
    assert table["measured_precision"][table["automatic"]] == pytest.approx(measured.precision, abs=1e-4)
    assert table["measured_recall"][table["automatic"]] == pytest.approx(measured.recall, abs=1e-4)
    assert table["measured_recall"][-1] == 1


def test_one_sample() -> None:
    assert cut_table(np.array([0.3]), 1, 1)["n"] == [0, 1]
