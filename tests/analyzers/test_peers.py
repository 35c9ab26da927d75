"""The peers' own packages on random data: cleanlab's scores, filters and health, and the aum package."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from aum import AUMCalculator
from cleanlab.count import compute_confident_joint
from cleanlab.dataset import overall_label_health_score, rank_classes_by_label_quality
from cleanlab.filter import find_label_issues
from cleanlab.rank import get_label_quality_scores
from torch import tensor

from labelaudit import History, Recorder, analyzers, history_from_arrays, open_history
from labelaudit.analyzers import Consensus, accumulate
from labelaudit.analyzers.cleanlab_filters import FILTERS

SCORES = ("self_confidence", "normalized_margin", "confidence_weighted_entropy")


def drawn(seed: int) -> tuple[History, np.ndarray, np.ndarray]:
    """Return a history of any shape, some labels of it wrong, its mean probabilities, and the given labels.

    Every third has classes without samples, every fifth scores that tie.
    """
    rng = np.random.default_rng(seed)
    n_classes, n, epochs = (int(rng.choice(of)) for of in ((2, 3, 4, 10, 30), (12, 40, 150, 500), (1, 2, 5)))
    given = rng.integers(max(n_classes - 2 * (seed % 3 == 0), 2), size=n)
    true = np.where(rng.random(n) < rng.choice([0, 0.1, 0.3, 0.6]), rng.integers(n_classes, size=n), given)
    z = rng.normal(size=(epochs, n, n_classes))
    z[:, np.arange(n), true] += rng.choice([0, 1, 2, 4])
    history = history_from_arrays(np.round(z) if seed % 5 == 0 else z, given, scores_are="logits")
    (state,) = accumulate(history, [Consensus])
    return history, state.means.of(slice(0, n)).T, given


# cleanlab on classes that it leaves alone
@pytest.mark.filterwarnings("ignore:May not flag all label issues")
@pytest.mark.parametrize("seed", range(60))
def test_cleanlab(seed: int) -> None:
    history, p, given = drawn(seed)
    for name in SCORES:
        theirs = get_label_quality_scores(given, p, method=name)
        # cleanlab clips the entropy and p(given) at 1e-6
        clear = p[np.arange(len(p)), given] > 1e-4 if name == SCORES[2] else slice(None)
        np.testing.assert_allclose(getattr(analyzers, name)(history)[clear], theirs[clear], atol=1e-4)
    for name in FILTERS:
        theirs = find_label_issues(given, p, filter_by=name, n_jobs=1)
        assert analyzers.find_label_issues(history, filter_by=name).tolist() == theirs.tolist(), name
    joint = analyzers.confident_joint(history, calibrate=False).to_numpy()
    assert joint.T.tolist() == compute_confident_joint(given, p, calibrate=False).tolist()
    assert analyzers.label_health(history) == pytest.approx(overall_label_health_score(given, p, verbose=False))
    theirs = rank_classes_by_label_quality(given, p).set_index("Class Index")["Label Quality Score"]
    health = analyzers.class_health(history).loc[theirs.index]
    one_sample = 1.01 / health["n_samples"].clip(lower=1)  # cleanlab rounds its joint to whole samples
    assert ((health["label_quality"] - theirs).abs() <= one_sample).all()


@pytest.mark.parametrize(("precision", "tolerance"), [("single", 1e-5), ("half", 1e-2)])
def test_aum(precision: str, tolerance: float, tmp_path) -> None:
    rng = np.random.default_rng(0)
    z, given = rng.normal(size=(6, 50, 5)) * 3, rng.integers(5, size=50)
    theirs = AUMCalculator(tmp_path / "theirs", compressed=True)
    with Recorder(tmp_path / "ours", n_samples=50, scores_are="logits", precision=precision) as recorder:
        for of_epoch in z:
            for batch in np.array_split(rng.permutation(50), 7):
                recorder.record(batch, of_epoch[batch], given[batch])
                theirs.update(tensor(of_epoch[batch]), tensor(given[batch]), batch.tolist())
            recorder.end_epoch()
    theirs.finalize()
    expected = pd.read_csv(tmp_path / "theirs" / "aum_values.csv").set_index("sample_id")["aum"].sort_index()
    np.testing.assert_allclose(analyzers.aum(open_history(tmp_path / "ours")), expected, atol=tolerance)
