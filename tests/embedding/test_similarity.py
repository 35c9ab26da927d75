"""The similarity index against all distances and FiftyOne's rule, written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from labelaudit import Embeddings, LabelAuditError
from labelaudit.embedding import Similarity, thinning
from tests.embedding import reference

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 6))
X[140:] = X[:10] + 1e-3 * RNG.normal(size=(10, 6))  # near duplicates of the first ten
IDS = np.array([f"s{i:03d}" for i in range(150)])
E = Embeddings.from_arrays(X, IDS, labels=np.arange(150) % 3)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_sorted_by_similarity(metric: str) -> None:
    s, d = E.similarity(metric=metric), reference.distance_matrix(X, metric)
    ids, far = s.sort_by_similarity("s007", return_distances=True)
    np.testing.assert_array_equal(ids, IDS[np.argsort(d[7], kind="stable")])
    np.testing.assert_allclose(far, np.sort(d[7]), rtol=1e-9, atol=1e-15)
    assert ids[:2].tolist() == ["s007", "s147"]
    assert s.sort_by_similarity("s007", k=3).tolist() == ids[:3].tolist()
    assert s.sort_by_similarity("s007", k=3, reverse=True).tolist() == ids[::-1][:3].tolist()


@pytest.mark.parametrize(
    ("aggregation", "of"),
    [("post-mean", np.mean), ("post-min", np.min), ("post-max", np.max)],
)
def test_several_queries_sorted_by_what_their_distances_have_in_common(aggregation: str, of: Any) -> None:
    d = of(reference.distance_matrix(X, "cosine")[[3, 50, 9]], axis=0)
    found = E.similarity().sort_by_similarity(["s003", "s050", "s009"], aggregation=aggregation)
    np.testing.assert_array_equal(found, IDS[np.argsort(d, kind="stable")])


def test_several_queries_are_averaged_by_default() -> None:
    s = E.similarity()
    np.testing.assert_array_equal(s.sort_by_similarity(["s003", "s050"]), s.sort_by_similarity((X[3] + X[50]) / 2))
    np.testing.assert_array_equal(s.sort_by_similarity(X[[3, 50]]), s.sort_by_similarity(["s003", "s050"]))


def test_queries_by_number_where_ids_are_positions() -> None:
    s = Embeddings.from_arrays(X).similarity()
    assert s.sort_by_similarity(7, k=2).tolist() == [7, 147]
    assert s.sort_by_similarity([7], k=2).tolist() == [7, 147]
    assert s.sort_by_similarity(X[7].tolist(), k=2).tolist() == [7, 147]


@pytest.mark.parametrize(
    ("query", "more", "message"),
    [
        ([], {}, "the query is empty"),
        ("s999", {}, "no embedding of sample 's999'"),
        (X[0, :3], {}, r"shape \(3,\); expected \(6,\)"),
        (np.full(6, np.nan), {}, "NaN"),
        ("s000", {"k": 0}, "k=0"),
        ("s000", {"aggregation": "sum"}, '"post-mean"'),
    ],
)
def test_queries_that_cannot_be_answered(query: Any, more: dict[str, Any], message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        E.similarity().sort_by_similarity(query, **more)


def test_a_view_answers_with_its_own_samples_only() -> None:
    view = E.similarity().view(IDS[100:])
    assert len(view) == 50
    found = view.sort_by_similarity("s007")  # a query may be any sample
    assert found[0] == "s147"
    assert set(found) == set(IDS[100:])
    view.find_duplicates(threshold=1e-4)
    assert view.duplicate_ids.tolist() == []
    assert repr(view) == "Similarity(50 of 150 samples, cosine)"


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
@pytest.mark.parametrize("threshold", [0.0, 1e-4, 0.02, 0.3, 5.0])
def test_duplicates_equal_the_rule_written_out(metric: str, threshold: float, tile: int) -> None:
    d = reference.distance_matrix(X, metric)
    kept = reference.kept_apart(d, threshold)
    s = E.similarity(metric=metric).find_duplicates(threshold=threshold)
    assert s.unique_ids.tolist() == IDS[kept].tolist()
    assert s.duplicate_ids.tolist() == IDS[~kept].tolist()
    assert s.threshold == threshold
    expected: dict[str, list[tuple[str, float]]] = {}
    for j in np.flatnonzero(~kept):
        hub = np.flatnonzero(kept)[d[j, kept].argmin()]
        expected.setdefault(IDS[hub], []).append((IDS[j], d[j, hub]))
    assert set(s.neighbors_map) == set(expected)
    for hub, of_hub in s.neighbors_map.items():
        in_order = sorted(expected[hub], key=lambda pair: pair[1])
        assert [one for one, _ in of_hub] == [one for one, _ in in_order]
        assert [far for _, far in of_hub] == pytest.approx([far for _, far in in_order], rel=1e-6)
        assert max(far for _, far in of_hub) <= threshold  # the threshold's metric


@pytest.mark.parametrize("n", [1, 2, 10, 75, 76, 140, 149, 150])
def test_find_unique_finds_exactly_n(n: int, tile: int) -> None:
    s = E.similarity(metric="euclidean").find_unique(n)
    assert len(s.unique_ids) == n
    assert len(set(s.unique_ids) | set(s.duplicate_ids)) == 150
    if s.threshold is not None:
        kept = reference.kept_apart(reference.distance_matrix(X, "euclidean"), s.threshold)
        assert set(IDS[kept]) <= set(s.unique_ids) or kept.sum() > n


@pytest.mark.parametrize("fraction", [0.02, 10 / 150, 0.5, 0.9])
def test_a_fraction_of_duplicates(fraction: float) -> None:
    s = E.similarity().find_duplicates(fraction=fraction)
    assert abs(len(s.duplicate_ids) - 150 * fraction) <= 2
    assert s.threshold is not None
    kept = reference.kept_apart(reference.distance_matrix(X, "cosine"), s.threshold)
    assert s.unique_ids.tolist() == IDS[kept].tolist()  # it is what the threshold gives
    if fraction == 10 / 150:
        assert s.duplicate_ids.tolist() == IDS[140:].tolist()


def test_too_many_close_pairs_are_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    straight = E.similarity().find_duplicates(fraction=0.1).duplicate_ids.tolist()
    monkeypatch.setattr(thinning, "MOST_PAIRS", 3)
    assert E.similarity().find_duplicates(fraction=0.1).duplicate_ids.tolist() == straight


def test_no_duplicates_and_all_but_one() -> None:
    s = E.similarity().find_duplicates(fraction=0.0)
    assert (len(s.duplicate_ids), s.neighbors_map, s.threshold) == (0, {}, None)
    s = E.similarity().find_duplicates(fraction=1.0)
    assert s.unique_ids.tolist() == IDS[:1].tolist()  # nothing comes before it that it could be a duplicate of
    assert len(s.neighbors_map[IDS[0]]) == 149


def test_duplicates_only() -> None:
    s = Embeddings.from_arrays(np.ones((20, 3))).similarity()
    assert s.find_duplicates(threshold=0).unique_ids.tolist() == [0]
    assert s.neighbors_map == {0: [(i, 0.0) for i in range(1, 20)]}
    assert s.find_unique(5).unique_ids.tolist() == [0, 1, 2, 3, 4]
    assert len(s.find_duplicates(fraction=0.5).unique_ids) in (1, 20)  # no threshold gives half


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "either threshold= .* or fraction="),
        ({"threshold": 0.1, "fraction": 0.1}, "either threshold="),
        ({"threshold": -0.1}, "threshold=-0.1; expected a distance"),
        ({"threshold": float("nan")}, "threshold=nan"),
        ({"threshold": "0.1"}, "threshold='0.1'"),
        ({"fraction": 1.5}, "fraction=1.5 is out of range"),
    ],
)
def test_bad_thresholds(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        E.similarity().find_duplicates(**arguments)


def test_nothing_is_known_before_something_was_looked_for() -> None:
    for ask in ("unique_ids", "duplicate_ids", "neighbors_map"):
        with pytest.raises(LabelAuditError, match="find_unique"):
            getattr(E.similarity(), ask)
    for n in (0, 151):
        with pytest.raises(LabelAuditError, match="there are 150 samples; expected 1 to"):
            E.similarity().find_unique(n)


def test_views_are_tables_in_groups() -> None:
    s = E.similarity().find_duplicates(threshold=1e-4)
    view = s.duplicates_view()
    assert view["type"].tolist() == ["nearest", "duplicate"] * 10
    assert (view["nearest_id"].to_numpy()[::2] == view.index[::2]).all()
    assert (np.diff(view["distance"].to_numpy()[1::2]) >= 0).all()
    assert view["label"].tolist() == [int(name[1:]) % 3 for name in view.index]
    assert s.unique_view().index.tolist() == s.unique_ids.tolist()
    backwards = s.duplicates_view(reverse=True)
    assert backwards.index[::2].tolist() == view.index[::2].tolist()[::-1]
    three = Embeddings.from_arrays([[0.0], [5.0], [0.1], [0.2], [5.05]]).similarity(metric="euclidean")
    three.find_duplicates(threshold=0.3)
    assert three.duplicates_view(sort_by="count", reverse=True).index.tolist() == [0, 2, 3, 1, 4]
    assert three.duplicates_view(sort_by="distance").index.tolist() == [1, 4, 0, 2, 3]


def test_an_index_comes_back_as_it_was_stored() -> None:
    s = E.similarity(metric="euclidean").view(IDS[:145]).find_duplicates(threshold=0.1)
    again = Similarity.restored(E, s.metric, s.sample_ids, s.threshold, s.unique_ids)
    assert again.neighbors_map == s.neighbors_map
    assert again.threshold == s.threshold
    assert len(Similarity.restored(E, "cosine", None, None, None)) == 150


def test_figures_show_what_was_found() -> None:
    s = E.similarity().find_duplicates(threshold=1e-4)
    axes = s.visualize_duplicates(E.visualize("pca"))
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert legend == ["unique (130)", "nearest (10)", "duplicate (10)"]
    assert len(axes.collections[0].get_segments()) == 10
    s.find_unique(30)
    axes = s.visualize_unique()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["other (120)", "unique (30)"]
    axes = s.plot_distances(bins=10)
    assert sum(bar.get_height() for bar in axes.patches) == 150
    assert axes.lines[0].get_xdata()[0] == s.threshold
