"""Two-dimensional pictures: shape, seed, what colours them."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest

from labelaudit import Embeddings, LabelAuditError

RNG = np.random.default_rng(0)
X = np.concatenate([RNG.normal(size=(20, 5)) + 8 * one for one in np.eye(5)[:3]])
E = Embeddings.from_arrays(
    X, [f"s{i}" for i in range(60)], labels=np.repeat(["ant", "bee", "cat"], 20), splits=["train"] * 40 + ["val"] * 20
)


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_points_keep_groups_together_and_depend_on_the_seed_alone(method: str) -> None:
    found = E.visualize(method, seed=3)
    points = np.asarray(found)
    assert points.shape == found.shape == (60, 2)
    assert len(found) == 60
    np.testing.assert_array_equal(points, E.visualize(method, seed=3).points)
    nearest = Embeddings.from_arrays(points).neighbors(3, metric="euclidean").indices
    assert (nearest // 20 == np.arange(60)[:, None] // 20).mean() > 0.95
    np.testing.assert_array_equal(found[2], points[2])
    assert repr(found) == f"Visualization(60 points, {method}, seed 3)"


def test_umap_where_it_is_installed_else_what_to_type(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(LabelAuditError, match=r'pip install "labelaudit\[umap\]"'):
        E.visualize("umap")


@pytest.mark.parametrize("method", ["pca", "tsne"])
@pytest.mark.parametrize(
    "x", [[[1.0, 2.0]], [[1.0], [2.0]], [[1.0, 2.0]] * 4, [[1.0], [2.0], [4.0]], np.eye(3), np.ones((40, 2))]
)
def test_pictures_of_few_or_equal_samples(x: Any, method: str) -> None:
    points = E.from_arrays(x).visualize(method).points
    assert points.shape == (len(x), 2)
    assert np.isfinite(points).all()


def test_parameters_reach_the_method() -> None:
    wide, tight = E.visualize("tsne", perplexity=15), E.visualize("tsne", perplexity=3)
    assert not np.allclose(wide.points, tight.points)
    assert wide.parameters == {"perplexity": 15}
    with pytest.raises(LabelAuditError, match='expected one of "umap", "tsne", "pca"'):
        E.visualize("mds")


def test_colours() -> None:
    found = E.visualize("pca")

    def legend(axes: Any) -> list[str]:
        return [text.get_text() for text in axes.get_legend().get_texts()]

    assert legend(found.plot()) == ["ant", "bee", "cat"]
    assert legend(found.plot("split")) == ["train", "val"]
    assert legend(found.plot(["$x$"] * 30 + ["y"] * 30)) == [r"\$x\$", "y"]
    quality = pd.Series(np.linspace(0, 1, 60), index=found.sample_ids[::-1], name="label_quality")
    axes = found.plot(quality)
    np.testing.assert_allclose(axes.collections[0].get_array(), quality.to_numpy()[::-1])
    assert axes.figure.axes[-1].get_ylabel() == "label_quality"
    assert found.plot(ax=axes, title="mine") is axes
    assert axes.get_title() == "mine"
    some = pd.Series(["a", "b"], index=["s0", "s5"])
    assert legend(found.plot(some)) == ["a", "b", "missing"]
    plain = Embeddings.from_arrays(X).visualize("pca")
    assert plain.plot().get_legend() is None


@pytest.mark.parametrize(
    ("colour", "message"),
    [
        ("quality", '"label", "split"'),
        ([1, 2], r"colour has shape \(2,\)"),
        (pd.Series([1.0], index=["other"]), "names none of these samples"),
    ],
)
def test_what_cannot_colour(colour: Any, message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        E.visualize("pca").plot(colour)
    with pytest.raises(LabelAuditError, match="these points have no splits"):
        Embeddings.from_arrays(X).visualize("pca").plot("split")


def test_select_takes_points_by_id() -> None:
    found = E.visualize("pca")
    some = found.select(["s9", "s2"])
    np.testing.assert_array_equal(some.points, found.points[[9, 2]])
    assert some.labels is not None
    assert some.labels.tolist() == [0, 0]
    with pytest.raises(LabelAuditError, match="no point of sample 'x'"):
        found.select("x")
