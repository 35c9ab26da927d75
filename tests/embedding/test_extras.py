"""What needs an extra: faiss for approximate neighbours, umap-learn for its pictures; and what is said without them."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from labelaudit import Embeddings, LabelAuditError
from tests.exports.test_real_tools import run_with

MADE = """
import numpy as np, warnings
warnings.simplefilter("error")
from labelaudit import Embeddings, LabelAuditError
from labelaudit.embedding import search
from labelaudit.embedding.neighbours import nearest
rng = np.random.default_rng(0)
x = np.concatenate([rng.normal(size=(500, 16)) + 4 * one for one in np.eye(16)[:8]]).astype(np.float32)
x[3990:] = x[:10]
"""


@pytest.mark.tools
def test_approximate_neighbours_say_their_recall_and_have_accurate_distances(tmp_path: Path) -> None:
    script = """
from labelaudit.embedding.approximate import nearly_nearest
for metric in ("cosine", "euclidean"):
    exact = nearest(x, 10, metric)
    found = nearly_nearest(x, 10, metric)
    hits = (found.indices[:, :, None] == exact.indices[:, None]).any(axis=1).mean()
    assert hits >= 0.94 and abs(hits - found.recall) < 0.03, (hits, found.recall)
    assert (found.indices != np.arange(len(x))[:, None]).all()
    same = found.indices == exact.indices
    assert (found.distances[same] == exact.distances[same]).all()
    assert (np.diff(found.distances, axis=1) >= 0).all()
    assert (found.distances[:10, 0] == 0).all() and found.indices[:10, 0].tolist() == list(range(3990, 4000))
    again = nearly_nearest(x, 10, metric)
    assert (again.indices == found.indices).all()
    assert nearly_nearest(x, 10, metric, recall=1.0).recall == 1
search.EXACT_UP_TO = 3000
e = Embeddings.from_arrays(x)
assert e.uniqueness().max() == 1
s = e.similarity().find_duplicates(fraction=0.0025)
assert s.duplicate_ids.tolist() == list(range(3990, 4000))
print("recall", e.neighbors(5).recall)
"""
    assert run_with("ann", ["faiss-cpu"], MADE + script, tmp_path, beside="--no-deps").startswith("recall ")


@pytest.mark.tools
def test_umap_depends_on_the_seed_alone(tmp_path: Path) -> None:
    script = """
e = Embeddings.from_arrays(x[::10], labels=np.arange(4000)[::10] // 500)
found, again, other = (e.visualize("umap", seed=seed) for seed in (1, 1, 2))
assert found.points.shape == (400, 2)
assert np.array_equal(found.points, again.points) and not np.array_equal(found.points, other.points)
near = Embeddings.from_arrays(found.points).neighbors(3, metric="euclidean").indices
assert (e.labels[near] == e.labels[:, None]).mean() > 0.9
for few in (np.eye(3), rng.normal(size=(2, 4)), rng.normal(size=(5, 4)), rng.normal(size=(20, 4)), np.ones((30, 4))):
    assert np.isfinite(Embeddings.from_arrays(few).visualize("umap").points).all()
assert Embeddings.from_arrays(x[::20]).visualize("umap", n_neighbors=5).parameters == {"n_neighbors": 5}
"""
    run_with("umap", ["umap-learn"], MADE + script, tmp_path, beside="")


def test_without_faiss_many_samples_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labelaudit.embedding.search.EXACT_UP_TO", 10)
    monkeypatch.setitem(sys.modules, "faiss", None)
    e = Embeddings.from_arrays(np.random.default_rng(0).normal(size=(11, 3)))
    with pytest.raises(LabelAuditError, match=r'among 11 samples .*pip install "labelaudit\[ann\]"'):
        e.neighbors(3)
