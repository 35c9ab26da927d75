"""Which class is suggested, and how surely."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import labelaudit
from labelaudit.auditing.suggestion import AT_NO_LEAD, PER_LEAD, TRUST, certainty, trust


def margins(slope: float, n: int = 20_000, seed: int = 0) -> np.ndarray:
    """Return log odds of the given label whose sizes say too little or too much by ``slope``."""
    rng = np.random.default_rng(seed)
    size = rng.exponential(1.0, n)
    return np.where(rng.random(n) < 1 / (1 + np.exp(-slope * size)), size, -size)


def trusted(margin: np.ndarray) -> float:
    return trust(np.full(len(margin), 9.0), -margin, np.zeros(len(margin), bool))


@pytest.mark.parametrize("slope", [0.5, 1.0, 3.0])
def test_trust_is_the_slope_at_which_margins_are_calibrated(slope: float) -> None:
    assert trusted(margins(slope)) == pytest.approx(slope, rel=0.05)


def test_trust_is_the_maximum_of_the_likelihood() -> None:
    margin = margins(1.7, 500)
    slow = minimize_scalar(lambda t: np.logaddexp(0, -t * margin).mean(), bounds=TRUST, method="bounded")
    assert trusted(margin) == pytest.approx(slow.x, rel=1e-3)


def test_trust_keeps_its_bounds() -> None:
    assert trusted(np.ones(10)) == pytest.approx(TRUST[1], rel=1e-6)  # always right
    assert trusted(-np.ones(10)) == pytest.approx(TRUST[0], rel=1e-6)  # always wrong
    assert TRUST[0] <= trusted(np.zeros(0)) <= TRUST[1]


def test_certainty_follows_the_lead() -> None:
    margin = margins(1.0)
    suspected = np.zeros(len(margin), bool)
    suspected[:3] = True
    lead = np.full(len(margin), 9.0)
    lead[:3] = 0.0, 1.0, 3.0
    found = certainty(lead, -margin, suspected)
    slope = PER_LEAD * (1 + np.log(trusted(margin[3:])))
    assert found[:3] == pytest.approx(1 / (1 + np.exp(-slope * lead[:3] - AT_NO_LEAD)))
    assert found[0] < 0.5 < found[2]


def test_samples_whose_label_is_third_say_nothing_of_the_lead() -> None:
    margin = margins(1.0)
    lead = np.full(len(margin), 9.0)
    third = np.full(500, 4.0)  # the best other class is far likelier than the label, and less far than the next one
    more = certainty(np.append(lead, np.full(500, 1.0)), np.append(-margin, third), np.zeros(len(lead) + 500, bool))
    assert more[: len(lead)] == pytest.approx(certainty(lead, -margin, np.zeros(len(lead), bool)))


def test_of_two_classes_the_other_one_is_certain() -> None:
    assert (certainty(np.full(4, np.inf), np.array([-3.0, -2.0, 0.1, 2.0]), np.array([0, 0, 0, 1], bool)) == 1).all()


@pytest.fixture(scope="module")
def three_kinds() -> tuple[labelaudit.Audit, np.ndarray]:
    """An audit of clear samples, ten whose label is wrong and ten that are torn between two other classes."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 4, 400)
    z = rng.normal(0, 0.4, (8, 400, 4))
    z[:, np.arange(400), true] += 4
    labels = true.copy()
    labels[:20] = (true[:20] + 1) % 4
    z[:, np.arange(10, 20), (true[10:20] + 2) % 4] += 4
    return labelaudit.audit(labelaudit.history_from_arrays(z, labels, class_names=list("abcd"))), np.array(
        list("abcd")
    )[true]


def test_a_class_is_suggested_where_one_stands_out(three_kinds: tuple[labelaudit.Audit, np.ndarray]) -> None:
    audit, true = three_kinds
    samples = audit.samples
    assert samples["is_label_issue"][:20].all()
    assert (samples["suggested_label"][:10] == true[:10]).all()
    assert (samples["suggestion_confidence"][:10] > 0.8).all()
    assert samples["reason"][:10].str.contains(r"; the model says [abcd]\.$").all()
    torn = samples[10:20]
    assert torn["suggested_label"].isna().sum() >= 7  # some are not so torn by chance
    unclear = torn[torn["suggested_label"].isna()]
    assert unclear["reason"].str.contains(r"; perhaps [abcd], but no one class stands out\.$").all()
    assert (unclear["runner_up_label"] == unclear["reason"].str.extract(r"perhaps (.),")[0]).all()


def test_what_only_the_users_cut_flags_gets_no_other_label() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 300)
    z = rng.normal(0, 0.3, (6, 300, 3))
    z[:, np.arange(300), labels] += 4
    found = labelaudit.audit(labelaudit.history_from_arrays(z, labels), expected_error_rate=0.1).issues
    assert len(found) == 30
    assert found["suggested_label"].isna().all()
    assert found["reason"].str.endswith("; no other class is likelier.").all()
