"""What goes into Embeddings is checked, and the errors say what to type."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

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
    ],
)
def test_labels_become_class_numbers(labels: Any, codes: list[int], names: list[str] | None) -> None:
    e = Embeddings.from_arrays(X, labels=labels)
    assert e.labels is not None
    assert e.labels.tolist() == codes
    assert e.class_names == names


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
