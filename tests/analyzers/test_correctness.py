"""Correctness, learning and forgetting, against loops over c_t."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from labelaudit import History, analyzers, history_from_arrays


def right(seen, y):
    return [one.prediction == y for one in seen]


def runs_of(seen):
    return [[one for one in seen if one.run == run] for run in sorted({one.run for one in seen})]


def forgettings(seen, y):
    return [
        now for run in runs_of(seen) for before, now in pairwise(run) if before.prediction == y and now.prediction != y
    ]


def learnings(seen, y):
    return [
        one
        for run in runs_of(seen)
        for t, one in enumerate(run)
        if one.prediction == y and (t == 0 or run[t - 1].prediction != y)
    ]


def last_wrong(run, y):
    return max((t + 1 for t, one in enumerate(run) if one.prediction != y), default=0)


def last_right(run, y):
    return max((t + 1 for t, one in enumerate(run) if one.prediction == y), default=0)


REFERENCES = {
    "correctness": lambda seen, y: sum(right(seen, y)) / len(seen),
    "wrong_events": lambda seen, y: len(seen) - sum(right(seen, y)),
    "forgetting_events": lambda seen, y: len(forgettings(seen, y)),
    "learning_events": lambda seen, y: len(learnings(seen, y)),
    "first_learned_epoch": lambda seen, y: min((one.epoch for one in seen if one.prediction == y), default=None),
    "last_forgotten_epoch": lambda seen, y: max((one.epoch for one in forgettings(seen, y)), default=None),
    "last_forgotten_as": lambda seen, y: forgettings(seen, y)[-1].prediction if forgettings(seen, y) else None,
    "presentations_to_learn": lambda seen, y: max(last_wrong(run, y) for run in runs_of(seen)),
    "learned_for_good": lambda seen, y: max(last_wrong(run, y) for run in runs_of(seen)) + 1,
    "forgotten_for_good": lambda seen, y: max(last_right(run, y) for run in runs_of(seen)) + 1,
    "never_learned": lambda seen, y: not any(right(seen, y)),
    "unforgettable": lambda seen, y: any(right(seen, y)) and not forgettings(seen, y),
    "mean_correct_epoch": lambda seen, y: (
        np.mean([one.epoch for one in seen if one.prediction == y]) if any(right(seen, y)) else np.nan
    ),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_equals_the_reference(case, name):
    case.check(getattr(analyzers, name), REFERENCES[name])


def test_second_half_equals_the_reference(case):
    epochs = [run.epochs("train") for run in case.history.runs_read]

    def late(seen, y):
        last = [set(of_run[len(of_run) - len(of_run) // 2 :]) for of_run in epochs]
        return sum(one.epoch in last[one.run] for one in forgettings(seen, y))

    case.check(analyzers.second_half_forgetting, late)


def test_log_lists_every_event(case):
    log = analyzers.forgetting_log(case.history)
    expected = [
        (one_id, one.run, one.epoch, one.prediction)
        for one_id, seen, y in zip(case.history.sample_ids, case.presentations, case.labels, strict=True)
        for one in forgettings(seen, y)
    ]
    assert list(log.itertuples(index=False, name=None)) == expected
    assert list(log.columns) == ["sample_id", "run", "epoch", "predicted"]


def predicting(*classes, n_classes=3):
    """Return a history of one sample, given class 0, that predicts these classes."""
    return history_from_arrays(np.eye(n_classes)[list(classes)][:, None] * 4, [0], scores_are="logits")


@pytest.mark.parametrize(
    ("predictions", "expected"),
    [
        # Maini et al.: c = 1, 1, 0, 1, 0, 0 is forgotten for good at 5, all right never, which is E + 1.
        ([0, 0, 1, 0, 1, 2], {"forgotten_for_good": 5, "learned_for_good": 7, "forgetting_events": 2}),
        ([0] * 6, {"forgotten_for_good": 7, "learned_for_good": 1, "presentations_to_learn": 0}),
        ([1] * 6, {"forgotten_for_good": 1, "learned_for_good": 7, "forgetting_events": 0}),
        ([1, 0, 0, 1, 0, 2, 0], {"second_half_forgetting": 1, "learning_events": 3, "forgetting_events": 2}),
        ([0, 1], {"second_half_forgetting": 1}),
        ([0], {"second_half_forgetting": 0, "learning_events": 1}),
    ],
)
def test_by_hand(predictions, expected):
    history = predicting(*predictions)
    assert {name: getattr(analyzers, name)(history).item() for name in expected} == expected


def test_a_never_learned_sample_is_not_a_number_that_sorts_as_learned_first():
    history = predicting(1, 2, 1)
    assert analyzers.never_learned(history).item() is True
    assert analyzers.forgetting_events(history).item() == 0
    assert analyzers.first_learned_epoch(history).isna().item()
    assert analyzers.mean_correct_epoch(history).isna().item()
    assert str(analyzers.first_learned_epoch(history).dtype) == "Int64"


def test_a_second_run_forgets_nothing_of_the_first():
    first, second = predicting(0, 0), predicting(1, 0)
    both = History([*first.runs_read, *second.runs_read])
    assert analyzers.forgetting_events(both).item() == 0
    assert analyzers.forgetting_log(both).empty
    assert analyzers.prediction_flips(both).item() == 1
    assert analyzers.presentations_to_learn(both).item() == 1
