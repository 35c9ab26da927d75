"""Losses, against loops."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from labelaudit import LabelAuditError, analyzers, history_from_arrays


def losses(seen, y):
    return [-np.log(one.p[y]) for one in seen]


def ema(seen, y, alpha):
    average = 0.0
    for loss in losses(seen, y):
        average = (1 - alpha) * average + alpha * loss
    return average


REFERENCES = {
    "mean_loss": lambda seen, y: np.mean(losses(seen, y)),
    "last_loss": lambda seen, y: losses(seen, y)[-1],
    "max_loss": lambda seen, y: max(losses(seen, y)),
    "loss_variance": lambda seen, y: np.mean((losses(seen, y) - np.mean(losses(seen, y))) ** 2),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_equals_the_reference(case, name):
    single = 200 if name in ("last_loss", "max_loss") and case.tolerance < 1e-8 else 1  # these are kept in single
    case.check(getattr(analyzers, name), REFERENCES[name], scale=max(single, 3))


@pytest.mark.parametrize("alpha", [0.001, 0.3, 1])
def test_moving_average_equals_the_reference(case, alpha):
    case.check(analyzers.ema_loss, partial(ema, alpha=alpha), alpha=alpha)


@pytest.mark.parametrize("alpha", [0, -0.1, 1.1, float("nan"), "0.1", None])
def test_a_moving_average_needs_a_weight(alpha):
    with pytest.raises(LabelAuditError, match="expected a number above 0, at most 1"):
        analyzers.ema_loss(analyzers.worked_example(), alpha=alpha)


def test_centred_loss_equals_the_reference(case):
    of_epoch: dict[tuple[int, int], list[float]] = {}
    for seen, y in zip(case.presentations, case.labels, strict=True):
        for one in seen:
            of_epoch.setdefault((one.run, one.epoch), []).append(-np.log(one.p[y]))
    case.check(
        analyzers.centred_loss,
        lambda seen, y: np.mean([-np.log(one.p[y]) - np.mean(of_epoch[one.run, one.epoch]) for one in seen]),
    )


def test_centred_loss_takes_epochs_that_can_be_read_once():
    history = history_from_arrays([[[0.9, 0.1], [0.4, 0.6]]] * 3, [0, 0])
    assert analyzers.centred_loss(history, epochs=iter([0, 1])).notna().all()
