"""The figures for papers: what is drawn, and that a name from data is never read as a formula."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

import labelaudit
from labelaudit import LabelAuditError
from tests.report.sample_audits import GIVEN, logits


@pytest.fixture(autouse=True)
def no_window() -> Iterator[None]:
    matplotlib.use("Agg")
    yield
    plt.close("all")


def drawn(ax: plt.Axes) -> None:
    sink = io.BytesIO()
    ax.figure.savefig(sink, format="png")
    assert sink.getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize("colour", ["region", "flagged"])
def test_data_map(audit: labelaudit.Audit, colour: str) -> None:
    ax = audit.plot_data_map(colour=colour)
    points = np.concatenate([np.asarray(group.get_offsets()) for group in ax.collections])
    assert len(points) == len(audit.samples)
    assert sorted(points[:, 1]) == sorted(audit.samples["confidence"])
    drawn(ax)


def test_data_map_refuses_another_colour(audit: labelaudit.Audit) -> None:
    with pytest.raises(LabelAuditError, match="colour"):
        audit.plot_data_map(colour="loss")


def test_noise_matrix(audit: labelaudit.Audit) -> None:
    ax = audit.plot_noise_matrix()
    assert [label.get_text() for label in ax.get_xticklabels()] == ["ant", "bee", "cat", "dog"]
    drawn(ax)


def test_noise_matrix_of_some_classes(audit: labelaudit.Audit) -> None:
    ax = audit.plot_noise_matrix(max_classes=2)
    assert "2 of 4 classes" in ax.get_title()


def test_names_from_data_leave_room_for_the_figure(audit: labelaudit.Audit) -> None:
    names = ["_hidden", "x" * 300, "a\nb", "\x1b[31m$red$"]
    shown = [" _hidden", "x" * 29 + "…", "a b", r"⟨U+001B⟩[31m\$red\$"]
    found = labelaudit.audit(labelaudit.history_from_arrays(logits(), GIVEN, class_names=names))
    ax = found.plot_noise_matrix()
    assert [label.get_text() for label in ax.get_xticklabels()] == shown
    drawn(ax)
    points = labelaudit.Embeddings.from_arrays(logits()[0], labels=GIVEN, class_names=names).visualize("pca")
    legend = points.plot().get_legend()
    assert legend is not None
    assert sorted(text.get_text() for text in legend.get_texts()) == sorted(shown)


def test_history_of_several_samples_is_asked_for_one_by_one(audit: labelaudit.Audit) -> None:
    for several in (audit.issues.index[:3], ["img/0.png", "img/1.png"]):
        with pytest.raises(LabelAuditError, match=r"draws one sample and got [23]; call it for each"):
            audit.plot_history(several)


def test_history(audit: labelaudit.Audit) -> None:
    sample = audit.issues.index[0]
    ax = audit.plot_history(sample)
    row = audit.samples.index.get_loc(sample)
    z = logits()[:, row]
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), p[:, GIVEN[row]], atol=1e-5)
    assert len(ax.lines) == 2
    drawn(ax)


def test_history_refuses_an_unknown_sample_and_a_missing_history(audit: labelaudit.Audit) -> None:
    with pytest.raises(LabelAuditError, match="there is no sample 'typo'"):
        audit.plot_history("typo")
    without = labelaudit.Audit(audit.samples, audit.noise_matrix, audit.summary, audit.class_names, {})
    with pytest.raises(LabelAuditError, match="pass history="):
        without.plot_history(audit.issues.index[0])


def test_score_histogram(audit: labelaudit.Audit) -> None:
    ax = audit.plot_score_histogram(bins=20)
    assert sum(patch.get_height() for patch in ax.containers[0]) == audit.summary["n_flagged"]
    cut = ax.lines[0].get_xdata()[0]
    assert (audit.samples["label_quality"] < cut).sum() == audit.summary["n_flagged"]
    drawn(ax)


def test_into_axes_of_the_user(audit: labelaudit.Audit) -> None:
    _, axes = plt.subplots(1, 2)
    assert audit.plot_data_map(ax=axes[0]) is axes[0]
    assert audit.plot_score_histogram(ax=axes[1]) is axes[1]


def test_names_with_dollars_are_no_formulas() -> None:
    names = ["$\\frac{1$", "$x$", "c", "d"]
    audit = labelaudit.audit(labelaudit.history_from_arrays(logits(), GIVEN, class_names=names))
    drawn(audit.plot_noise_matrix())
    drawn(audit.plot_history(audit.issues.index[0]))


def test_without_matplotlib_the_error_says_what_to_type(
    audit: labelaudit.Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(LabelAuditError, match=r"pip install \"labelaudit\[plot\]\""):
        audit.plot_data_map()
