"""Duplicates, label conflicts and leaks against all pairs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from labelaudit import Embeddings, LabelAuditError, file_duplicates
from labelaudit.embedding import duplicates
from tests.embedding import reference

RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 4))
X[60:] = X[:30] + 0.01 * RNG.normal(size=(30, 4))
LABELS = RNG.integers(-1, 3, 90)
SPLITS = np.array(["train", "val", "extra"])[RNG.integers(0, 3, 90)]
E = Embeddings.from_arrays(X, labels=LABELS, splits=SPLITS, class_names=["ant", "bee", "cat"])


def pairs_of(table: pd.DataFrame) -> set[tuple[int, int]]:
    return set(zip(table["sample_id"].tolist(), table["other_id"].tolist(), strict=True))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_near_duplicates_are_all_close_pairs(metric: str, tile: int) -> None:
    d = reference.distance_matrix(X, metric)
    for threshold in (0.0, 0.01, 0.5):
        found = E.near_duplicates(threshold, metric=metric)
        assert pairs_of(found) == reference.close_pairs(d, threshold)
        np.testing.assert_allclose(found["distance"], d[found["sample_id"], found["other_id"]], rtol=1e-6)
        assert (np.diff(found["distance"]) >= 0).all()


def test_label_conflicts_are_the_close_pairs_with_different_known_labels(tile: int) -> None:
    close = reference.close_pairs(reference.distance_matrix(X, "cosine"), 0.05)
    found = E.label_conflicts(0.05)
    expected = {(i, j) for i, j in close if LABELS[i] != LABELS[j] and LABELS[i] >= 0 and LABELS[j] >= 0}
    assert pairs_of(found) == expected
    assert len(expected) > 5
    names = np.array(["ant", "bee", "cat"])
    assert found["label"].tolist() == names[LABELS[found["sample_id"]]].tolist()
    assert found["other_label"].tolist() == names[LABELS[found["other_id"]]].tolist()


def test_leaks_are_the_close_pairs_across_splits(tile: int) -> None:
    close = reference.close_pairs(reference.distance_matrix(X, "cosine"), 0.05)
    assert pairs_of(E.leaks(0.05)) == {(i, j) for i, j in close if SPLITS[i] != SPLITS[j]}
    chosen = {"train", "val"}
    expected = {(i, j) for i, j in close if {SPLITS[i], SPLITS[j]} == chosen}
    assert pairs_of(E.leaks(0.05, splits=["train", "val"])) == expected


def test_a_leak_whose_hub_lies_in_an_unlisted_split_is_found() -> None:
    e = Embeddings.from_arrays(np.ones((3, 2)), ["hub", "a", "b"], splits=["extra", "train", "val"])
    assert e.similarity().find_duplicates(threshold=0.1).unique_ids.tolist() == ["hub"]
    found = e.leaks(0.1, splits=["train", "val"])
    assert found.to_dict("records") == [
        {"sample_id": "a", "other_id": "b", "distance": 0.0, "split": "train", "other_split": "val"}
    ]


def test_exact_duplicates_name_the_first_of_each_group() -> None:
    x = np.array([[1.0, 2], [3, 4], [1, 2], [5, 6], [3, 4], [1, 2]])
    found = Embeddings.from_arrays(x, list("abcdef"), labels=[0, 0, 1, 0, 0, 0]).exact_duplicates()
    assert found["sample_id"].tolist() == ["a", "b", "a"]
    assert found["other_id"].tolist() == ["c", "e", "f"]
    assert found["other_label"].tolist() == [1, 0, 0]
    assert (found["distance"] == 0).all()


def test_without_labels_or_splits_there_is_nothing_to_compare(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = Embeddings.from_arrays(X)
    assert list(bare.near_duplicates(0.01).columns) == ["sample_id", "other_id", "distance"]
    with pytest.raises(LabelAuditError, match="labels=labels"):
        bare.label_conflicts(0.1)
    with pytest.raises(LabelAuditError, match="splits="):
        bare.leaks(0.1)
    with pytest.raises(LabelAuditError, match="no sample is in split 'test'; splits: extra, train, val"):
        E.leaks(0.1, splits=["train", "test"])
    for one in ("train", ["train"], ["train", "train"], []):
        with pytest.raises(LabelAuditError, match="expected two or more of the splits: extra, train, val"):
            E.leaks(0.1, splits=one)
    with pytest.raises(LabelAuditError, match="threshold=True"):
        bare.near_duplicates(True)
    monkeypatch.setattr(duplicates, "MOST_PAIRS", 10)
    with pytest.raises(LabelAuditError, match="more than 10 pairs of 90 samples are at most 2"):
        bare.near_duplicates(2)


def test_one_class_has_no_conflicts() -> None:
    assert Embeddings.from_arrays(X, labels=np.zeros(90, int)).label_conflicts(2.0).empty


def test_files_with_the_same_content(tmp_path: Path) -> None:
    contents = [b"one", b"two", b"one", b"three", b"", b"", b"one"]
    paths = [tmp_path / f"{number}.bin" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    found = file_duplicates(paths)
    names = [str(path) for path in paths]
    assert pairs_of(found) == {(names[0], names[2]), (names[4], names[5]), (names[0], names[6])}
    found = file_duplicates(paths, sample_ids=range(7), labels=list("aabaaaa"), splits=["train"] * 6 + ["val"])
    assert found.loc[found["label"] != found["other_label"], "other_id"].tolist() == [2]
    assert found.loc[found["split"] != found["other_split"], "other_id"].tolist() == [6]
    with pytest.raises(LabelAuditError, match=r"cannot read .*gone\.png: No such file"):
        file_duplicates([tmp_path / "gone.png"])
    for wrong in (str(tmp_path), tmp_path, [tmp_path]):
        with pytest.raises(LabelAuditError, match=r"expected a list of files\. Those of a folder: .*\.rglob\("):
            file_duplicates(wrong)
    assert file_duplicates([]).empty
