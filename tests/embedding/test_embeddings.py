"""What goes into Embeddings is checked, and the errors say what to type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from labelaudit import Embeddings, LabelAuditError

X = np.random.default_rng(0).normal(size=(6, 3))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X.ravel(), r"shape \(18,\); expected two dimensions"),
        (X.reshape(6, 3, 1), r"X\.reshape\(len\(X\), -1\)"),
        ([["a", "b"]], "expected numbers"),
        (np.empty((3, 0)), "nothing in a sample's row"),
        (np.where(np.arange(6)[:, None] % 2, X, np.nan), r"3 of 6 embeddings hold NaN or infinity: rows 0, 2, 4\."),
        (np.where(np.arange(6)[:, None] >= 0, np.inf, X), r"6 of 6 .* rows 0, 1, 2, 3, 4, \.\.\."),
        ([*X[:4], None, None], r"2 of 6 embeddings are missing: rows 4, 5\. Leave"),
        (pd.Series([X[0], float("nan")]), "1 of 2 embeddings are missing: rows 1"),
        ([*X[:4], X[4, :2]], r"row 0 has shape \(3,\), row 4 has \(2,\)"),
        (np.array([[1.0, None]], dtype=object), "1 of 1 embeddings hold NaN or infinity: rows 0"),
        (np.array([["a", 1]], dtype=object), "have type object; expected numbers"),
        (np.ma.masked_invalid([[1.0, 2.0], [np.nan, 1.0]]), "1 embeddings are masked: rows 1"),
        (torch.ones(2, 3, requires_grad=True), r"requires grad.*pass X\.detach\(\)\.float\(\)\.cpu\(\)\.numpy\(\)$"),
        (torch.ones(2, 3, dtype=torch.bfloat16), r"BFloat16\. Of a tensor, pass X\.detach"),
    ],
)
def test_what_is_no_table_of_finite_numbers_is_refused(x: Any, message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        Embeddings.from_arrays(x)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"sample_ids": [1, 2]}, r"sample_ids has shape \(2,\); expected \(6,\)"),
        ({"sample_ids": list("abcdea")}, "'a' more than once"),
        ({"labels": [0, 1]}, r"labels has shape \(2,\)"),
        ({"labels": [0, 1, 2, 3, 4, 5], "class_names": ["a", "b"]}, "class 5, class_names names 2"),
        ({"labels": list("aabbcc"), "class_names": ["a", "b"]}, "label 'c' is not among"),
        ({"splits": ["train"]}, r"splits has shape \(1,\)"),
        ({"splits": ["train", None, "val", None, "val", "val"]}, '2 of 6 splits are missing: rows 1, 3.*"none"'),
        ({"labels": list("aabbaa"), "class_names": ["a", "b", "a"]}, "class_names holds 'a' twice"),
        ({"inside": ["train"]}, r"inside has shape \(1,\)"),
    ],
)
def test_columns_must_fit(more: dict[str, Any], message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        Embeddings.from_arrays(X, **more)


@pytest.mark.parametrize(
    ("labels", "codes", "names"),
    [
        ([2, 0, 1, 1, -1, 0], [2, 0, 1, 1, -1, 0], None),
        (["b", "a", None, "b", "c", float("nan")], [1, 0, -1, 1, 2, -1], ["a", "b", "c"]),
        (pd.Series(list("zzyyxx")), [2, 2, 1, 1, 0, 0], ["x", "y", "z"]),
        ([True, False, True, False, True, True], [1, 0, 1, 0, 1, 1], None),
        ([3.0, 10.0, float("nan"), 0.0, 0.0, -1.0], [3, 10, -1, 0, 0, -1], None),  # as pandas has numbers beside a gap
        (pd.array([3, 10, None, 0, 0, -1], dtype="Int64"), [3, 10, -1, 0, 0, -1], None),
        ([3, 10, None, 0, 0, -1], [3, 10, -1, 0, 0, -1], None),
        ([0.5, 1, 0.5, 1, 1, 1], [0, 1, 0, 1, 1, 1], ["0.5", "1.0"]),
    ],
)
def test_labels_become_class_numbers(labels: Any, codes: list[int], names: list[str] | None) -> None:
    e = Embeddings.from_arrays(X, labels=labels)
    assert e.labels is not None
    assert e.labels.tolist() == codes
    assert e.class_names == names


def test_class_numbers_beside_a_gap_have_names() -> None:
    e = Embeddings.from_arrays(X, labels=[0, 1, float("nan"), 1, 0, 0], class_names=["cat", "dog"])
    assert e.labels is not None
    assert e.names_of(e.labels).tolist() == ["cat", "dog", None, "dog", "cat", "cat"]
    with pytest.raises(LabelAuditError, match="labels hold class 2, class_names names 2 classes"):
        Embeddings.from_arrays(X, labels=[0, 1, None, 1, 2, 0], class_names=["cat", "dog"])


def test_a_column_of_vectors_is_taken() -> None:
    frame = pd.DataFrame({"name": list("abcdef"), "embedding": [*X]})
    np.testing.assert_array_equal(Embeddings.from_arrays(frame["embedding"], frame["name"]).vectors, X)
    np.testing.assert_array_equal(Embeddings.from_arrays(X.astype(object)).vectors, X)


def test_half_precision_and_whole_numbers_are_widened() -> None:
    assert Embeddings.from_arrays(X.astype(np.float16)).vectors.dtype == np.float32
    assert Embeddings.from_arrays((X * 10).astype(np.int32)).vectors.dtype == np.float64
    assert Embeddings.from_arrays(X).vectors.dtype == np.float64


def test_select_takes_everything_along() -> None:
    e = Embeddings.from_arrays(X, list("abcdef"), labels=range(6), splits=["train"] * 3 + ["val"] * 3, inside=range(6))
    some = e.select(["e", "b"])
    assert some.sample_ids.tolist() == ["e", "b"]
    assert some.labels is not None
    assert some.splits is not None
    assert some.inside is not None
    assert (some.labels.tolist(), some.splits.tolist(), some.inside.tolist()) == ([4, 1], ["val", "train"], [4, 1])
    np.testing.assert_array_equal(some.vectors, X[[4, 1]])
    with pytest.raises(LabelAuditError, match="no embedding of sample 'z'; the first of 6 is"):
        e.select(["a", "z"])


def test_centred_vectors_have_mean_0() -> None:
    e = Embeddings.from_arrays(X + 100, labels=range(6)).centred()
    np.testing.assert_allclose(e.vectors.mean(axis=0), 0, atol=1e-12)
    assert e.labels is not None


def test_repr_says_how_many() -> None:
    assert repr(Embeddings.from_arrays(X)) == "Embeddings(6 samples, 3 features)"
    assert repr(Embeddings.from_arrays(X, inside=[0, 0, 1, 1, 2, 2])) == "Embeddings(6 regions, 3 features)"


@pytest.mark.parametrize(
    ("question", "message"),
    [
        (lambda e: e.neighbors(2.0), "k=2.0 is out of range; expected an integer from 0 up"),
        (lambda e: e.neighbors("2"), "k='2'"),
        (lambda e: e.similarity().sort_by_similarity(0, k=1.5), "k=1.5 is out of range; expected an integer from 1 up"),
        (lambda e: e.similarity().find_unique("2"), "n='2'"),
        (lambda e: e.similarity().find_unique(2.0), "n=2.0"),
        (lambda e: e.similarity().find_duplicates(fraction="0.1"), "fraction='0.1' is out of range"),
        (lambda e: e.representativeness(n_clusters=0), "n_clusters=0 is out of range; expected an integer from 1 up"),
        (lambda e: e.representativeness(seed=-1), "seed=-1"),
        (lambda e: e.visualize("pca", seed=1.5), "seed=1.5"),
        (lambda e: e.visualize("pca", perplexity=3), r'visualize\("pca", perplexity=3\) of 6 samples: .*perplexity'),
        (lambda e: e.visualize("tsne", perplexity=30), "must be less than n_samples"),
    ],
)
def test_options_that_cannot_be_are_refused_in_one_line(question: Callable[[Embeddings], Any], message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        question(Embeddings.from_arrays(X))
