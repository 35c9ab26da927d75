"""The estimates of a review, on simulated ones: near the truth, and honest about how sure they are."""

from __future__ import annotations

import time

import numpy as np
import pytest

from labelaudit.reviewing.estimate import NEXT, PRIOR_MEAN, PRIOR_SD, _count, _fit, _grouped, _posterior, estimate

N, ERRORS = 2_000, 200


def truth(seed: int, errors: int = ERRORS, steepness: float = 3.0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    depth = np.log((np.arange(N) + 1) / errors)
    return (rng.random(N) < 1 / (1 + np.exp(steepness * depth))).astype(int)


def reviewed(wrong: np.ndarray, n: int) -> np.ndarray:
    return np.where(np.arange(N) < n, wrong, -1)


@pytest.mark.parametrize("n", [50, 150, 300])
@pytest.mark.parametrize("claimed", [100, 200, 400])  # the audit's own estimate is half, right, double
def test_the_next_hundred_and_the_precision(n: int, claimed: int) -> None:
    inside, off, within = [], [], []
    for seed in range(40):
        wrong = truth(seed)
        found = estimate(reviewed(wrong, n), claimed, claimed)
        coming = wrong[n : n + NEXT].sum()
        inside.append(found.next_interval[0] <= coming <= found.next_interval[1])
        off.append(found.next_wrong - coming)
        assert found.precision_interval is not None
        within.append(found.precision_interval[0] <= wrong[:claimed].mean() <= found.precision_interval[1])
    assert np.mean(inside) >= 0.85
    assert np.mean(within) >= 0.8
    if n > 50 or claimed == ERRORS:  # before that, the audit's own estimate weighs more
        assert abs(np.mean(off)) <= 12


def test_a_finished_review_knows_the_precision() -> None:
    wrong = truth(0)
    found = estimate(reviewed(wrong, 500), 200, 200)
    assert found.precision == pytest.approx(wrong[:200].mean())
    assert found.precision_interval == pytest.approx((found.precision, found.precision))
    assert (found.n_wrong, found.n_right) == (wrong[:500].sum(), 500 - wrong[:500].sum())


def test_mode_against_a_grid() -> None:
    wrong = truth(1)[:120]
    depth = np.log((np.arange(120) + 1) / ERRORS)
    mode, _ = _fit(depth, np.ones(120), wrong.astype(float))
    a, b = np.meshgrid(np.linspace(-5, 5, 401), np.linspace(-2, 8, 401), indexing="ij")
    logit = a[..., None] - b[..., None] * depth
    log_posterior = (wrong * logit - np.logaddexp(0, logit)).sum(-1)
    log_posterior -= ((a - PRIOR_MEAN[0]) / PRIOR_SD[0]) ** 2 / 2 + ((b - PRIOR_MEAN[1]) / PRIOR_SD[1]) ** 2 / 2
    best = np.unravel_index(log_posterior.argmax(), a.shape)
    np.testing.assert_allclose(mode, [a[best], b[best]], atol=0.026)


def test_edges() -> None:
    nothing = estimate(np.full(5, -1), 0, 0)
    assert nothing.precision is None
    assert nothing.n_next == 5
    done = estimate(np.array([1, 0]), 2, 1)
    assert (done.n_next, done.next_wrong, done.next_interval) == (0, 0.0, (0, 0))


def test_many_decisions_are_grouped_without_loss() -> None:
    wrong = truth(3)
    depth = np.log((np.arange(N) + 1) / ERRORS)
    grouped = _fit(*_grouped(depth, wrong.astype(float)))[0]
    np.testing.assert_allclose(grouped, _fit(depth, np.ones(N), wrong.astype(float))[0], atol=0.1)


def test_many_samples_are_counted_in_neighbourhoods() -> None:
    """As each for itself, to a thousandth; a key of a review with 200,000 flagged samples does not wait for it."""
    n = 20_000
    depth = np.log((np.arange(n) + 1) / (n / 2))
    draws, weights = _posterior(depth[:50], np.ones(50), np.ones(50))
    expected, low, high = _count(depth, draws, weights)
    p = 1 / (1 + np.exp(np.clip(draws[:, 1:] * depth - draws[:, :1], -30, 30)))
    assert expected == pytest.approx(weights @ p.sum(axis=1), rel=1e-3)
    assert low < expected < high
    start = time.process_time()
    estimate(np.full(400_000, -1), 200_000, 200_000)
    assert time.process_time() - start < 0.5
