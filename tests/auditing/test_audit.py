"""labelaudit.audit: the tables, the summary, saving and loading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn

import labelaudit
from labelaudit import LabelAuditError, history_from_arrays, plant_mistakes
from labelaudit.auditing.statistics import OF_THEIR_OWN
from labelaudit.history import folder

N, K, EPOCHS = 400, 4, 8
NAMES = ["ant", "bee", "cat", "dog"]
TRUE = np.arange(N) % K
GIVEN, PLANTED = plant_mistakes(TRUE, 0.1, seed=0)
COLUMNS = [
    *("given_label", "predicted_label", "label_quality", "is_label_issue", "suggested_label"),
    *("suggestion_confidence", "mistakenness", "hardness", "forgetting_events", "first_learned_epoch"),
    *("never_learned", "aum", "confidence", "variability", "correctness", "mean_loss", "mean_entropy"),
    *("region", "reason"),
]


def scores(seed: int = 0) -> np.ndarray:
    """Logits of a model that learns the true classes, better every epoch."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(EPOCHS, N, K))
    z[:, np.arange(N), TRUE] += np.linspace(1, 6, EPOCHS)[:, None]
    return z


@pytest.fixture
def history() -> labelaudit.History:
    ids = [f"img/{i}.png" for i in range(N)]
    return history_from_arrays(scores(), GIVEN, class_names=NAMES, sample_ids=ids, planted=PLANTED)


def test_the_table_has_every_promised_column_in_dataset_order(history: labelaudit.History) -> None:
    samples = labelaudit.audit(history).samples
    assert set(COLUMNS) <= set(samples.columns)
    assert samples.index.name == "sample_id"
    assert samples.index.tolist() == [f"img/{i}.png" for i in range(N)]
    assert samples["given_label"].tolist() == [NAMES[y] for y in GIVEN]
    assert samples["label_quality"].between(0, 1).all()
    assert samples["is_label_issue"].dtype == bool
    assert set(samples["region"]) <= {"easy", "ambiguous", "hard"}
    assert (
        not samples[
            [c for c in COLUMNS if c not in ("suggested_label", "suggestion_confidence", "first_learned_epoch")]
        ]
        .isna()
        .any()
        .any()
    )


def test_it_finds_planted_mistakes(history: labelaudit.History) -> None:
    audit = labelaudit.audit(history)
    found = audit.measured
    assert found is not None
    assert found.n_planted == len(PLANTED)
    assert found.average_precision > 0.95
    assert found.f1 > 0.9
    assert found.correction_accuracy > 0.95
    low, high = audit.summary["interval"]
    assert low <= len(PLANTED) <= high


def test_issues_are_the_flagged_worst_first(history: labelaudit.History) -> None:
    audit = labelaudit.audit(history)
    issues = audit.issues
    assert len(issues) == audit.samples["is_label_issue"].sum() == audit.summary["n_flagged"]
    assert issues["label_quality"].is_monotonic_increasing
    unflagged = audit.samples[~audit.samples["is_label_issue"]]
    assert issues["label_quality"].max() <= unflagged["label_quality"].min()
    assert (issues["reason"].str.len() > 20).all()
    assert (unflagged["reason"] == "").all()


def test_labels_are_integers_without_class_names() -> None:
    samples = labelaudit.audit(history_from_arrays(scores(), GIVEN)).samples
    np.testing.assert_array_equal(samples["given_label"], GIVEN)
    assert samples["suggested_label"].dtype == "Int64"
    assert samples.index.tolist() == list(range(N))


def test_the_user_may_set_the_cut(history: labelaudit.History) -> None:
    assert labelaudit.audit(history, expected_error_rate=0.05).samples["is_label_issue"].sum() == 20
    assert labelaudit.audit(history, expected_error_rate=0.0).samples["is_label_issue"].sum() == 0
    samples = labelaudit.audit(history, threshold=0.3).samples
    pd.testing.assert_series_equal(samples["is_label_issue"], samples["label_quality"] < 0.3, check_names=False)


def test_noise_matrix_rows_are_distributions(history: labelaudit.History) -> None:
    matrix = labelaudit.audit(history).noise_matrix
    assert matrix.index.tolist() == matrix.columns.tolist() == NAMES
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    true = np.zeros((K, K))
    np.add.at(true, (TRUE, GIVEN), 1)
    np.testing.assert_allclose(matrix, true / true.sum(axis=1, keepdims=True), atol=0.05)


def test_save_and_load(history: labelaudit.History, tmp_path: Path) -> None:
    audit = labelaudit.audit(history)
    audit.save(tmp_path / "audit")
    loaded = labelaudit.load_audit(tmp_path / "audit")
    pd.testing.assert_frame_equal(loaded.samples, audit.samples)
    pd.testing.assert_frame_equal(loaded.noise_matrix, audit.noise_matrix)
    assert dict(loaded.summary) == dict(audit.summary)
    assert str(loaded.summary) == str(audit.summary)
    assert loaded.measured.to_dict() == audit.measured.to_dict()
    audit.save(tmp_path / "audit")


def test_saving_that_fails_leaves_no_half_of_two_audits(
    history: labelaudit.History, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = labelaudit.audit(history)
    audit.save(tmp_path)
    writes = folder._LocalFolder.write

    def fails(self: folder.Folder, name: str, data: bytes) -> None:
        if name == "audit.json":
            raise OSError(28, "No space left on device")
        writes(self, name, data)

    with monkeypatch.context() as patched:
        patched.setattr(folder._LocalFolder, "write", fails)
        with pytest.raises(OSError, match="No space left"):
            labelaudit.audit(history, threshold=0.9).save(tmp_path)
    with pytest.raises(LabelAuditError, match="holds no audit"):
        labelaudit.load_audit(tmp_path)
    audit.save(tmp_path)
    pd.testing.assert_frame_equal(labelaudit.load_audit(tmp_path).samples, audit.samples)


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({"threshold": np.float32(0.5)}, {"threshold": 0.5}),
        ({"expected_error_rate": np.float64(0.25)}, {"expected_error_rate": 0.25}),
        ({"epochs": np.arange(3)}, {"epochs": [0, 1, 2]}),
    ],
)
def test_options_that_are_numpy_numbers_are_saved(
    history: labelaudit.History, tmp_path: Path, options: dict[str, Any], kept: dict[str, Any]
) -> None:
    labelaudit.audit(history, **options).save(tmp_path)
    assert labelaudit.load_audit(tmp_path).info["asked"] == kept


def test_saving_into_a_folder_with_other_files_is_refused(history: labelaudit.History, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(LabelAuditError, match=r"holds other files \(thesis.tex\)"):
        labelaudit.audit(history).save(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"), [(None, "holds no audit"), ("{", "is damaged"), ("{}", "has format None")]
)
def test_loading_what_is_no_audit(tmp_path: Path, text: str | None, message: str) -> None:
    if text is not None:
        (tmp_path / "audit.json").write_text(text)
    with pytest.raises(LabelAuditError, match=message):
        labelaudit.load_audit(tmp_path)


@pytest.mark.parametrize("part", ["summary", "class_names", "info", "format_version"])
def test_a_part_of_an_audit_that_is_missing_is_said(history: labelaudit.History, tmp_path: Path, part: str) -> None:
    labelaudit.audit(history).save(tmp_path)
    facts = json.loads((tmp_path / "audit.json").read_text())
    del facts[part]
    (tmp_path / "audit.json").write_text(json.dumps(facts))
    with pytest.raises(LabelAuditError, match=r"is damaged: a part of it is missing|version None; this labelaudit"):
        labelaudit.load_audit(tmp_path)


def test_a_column_of_an_audit_that_is_missing_is_said(history: labelaudit.History, tmp_path: Path) -> None:
    audit = labelaudit.audit(history)
    audit.save(tmp_path)
    audit.samples.drop(columns=["mistakenness", "runner_up_label"]).to_parquet(tmp_path / "samples.parquet")
    assert len(labelaudit.load_audit(tmp_path).issues) == len(audit.issues)
    audit.samples.drop(columns="reason").to_parquet(tmp_path / "samples.parquet")
    with pytest.raises(LabelAuditError, match=r"samples.parquet lacks column 'reason'; run the audit again"):
        labelaudit.load_audit(tmp_path)


def test_loading_a_run_says_what_audits_it(tmp_path: Path) -> None:
    with labelaudit.Recorder(tmp_path) as recorder:
        recorder.record([0, 1], np.eye(2), [0, 1])
        recorder.end_epoch()
    with pytest.raises(LabelAuditError, match=r"holds no audit .*; it is a run, which labelaudit.audit\('"):
        labelaudit.load_audit(tmp_path)


def test_csv_and_parquet(history: labelaudit.History, tmp_path: Path) -> None:
    audit = labelaudit.audit(history)
    audit.to_csv(tmp_path / "issues.csv", issues_only=True)
    assert pd.read_csv(tmp_path / "issues.csv")["sample_id"].tolist() == audit.issues.index.tolist()
    audit.to_parquet(tmp_path / "samples.parquet")
    assert len(pd.read_parquet(tmp_path / "samples.parquet")) == N


def test_corrections_are_confident_and_change_nothing(history: labelaudit.History) -> None:
    audit = labelaudit.audit(history)
    before = audit.samples.copy()
    sure = audit.corrections(min_confidence=0.6)
    assert (sure["suggestion_confidence"] >= 0.6).all()
    assert (sure["suggested_label"] != sure["given_label"]).all()
    pd.testing.assert_frame_equal(audit.samples, before)
    with pytest.raises(LabelAuditError, match="min_confidence=90"):
        audit.corrections(min_confidence=90)


@pytest.mark.parametrize("least", [1.5, float("nan"), "sure"])
def test_the_least_confidence_of_a_correction_is_a_share(history: labelaudit.History, least: object) -> None:
    with pytest.raises(LabelAuditError, match=r"min_confidence=.* is out of range; expected a number, 0 to 1"):
        labelaudit.audit(history).corrections(min_confidence=least)


def test_one_epoch_equals_fiftyones_formulas() -> None:
    z = scores()[-1]
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    samples = labelaudit.audit(history_from_arrays(z, GIVEN)).samples
    sign = np.where(p.argmax(axis=1) == GIVEN, -1, 1)
    np.testing.assert_allclose(samples["mistakenness"], (1 + sign * p.max(axis=1)) / 2, atol=1e-6)
    np.testing.assert_allclose(samples["hardness"], -(p * np.log(p)).sum(axis=1), atol=1e-6)


def test_several_runs(history: labelaudit.History) -> None:
    other = history_from_arrays(
        scores(1), GIVEN, class_names=NAMES, sample_ids=list(history.sample_ids), planted=PLANTED
    )
    both = labelaudit.audit(labelaudit.History([*history.runs_read, *other.runs_read]))
    assert (both.summary["n_runs"], both.summary["n_epochs"]) == (2, 2 * EPOCHS)
    assert both.measured.average_precision > 0.95


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"expected_error_rate": 5}, "expected_error_rate=5 is out of range"),
        ({"expected_error_rate": "0.1"}, "expected_error_rate='0.1' is out of range; expected a number, 0 to 1"),
        ({"threshold": -1}, "threshold=-1 is out of range"),
        ({"threshold": 0.5, "expected_error_rate": 0.1}, "pass one of them"),
        ({"analyzers": ["aumm"]}, "no statistic is called 'aumm'"),
        ({"split": "test"}, "no split 'test'; recorded: train"),
        ({"epochs": [0, 99]}, "epoch 99 is not in .*; recorded: 8 epochs from 0 to 7"),
        ({"epochs": 0}, "epochs=0 is no list of epochs"),
        ({"analyzers": "el2n"}, r"analyzers='el2n' is one name; expected a list of names: \['el2n'\]"),
        ({"analyzers": ["centred_loss"]}, r"audit.samples\['centred_loss'\] = labelaudit.analyzers.centred_loss"),
    ],
)
def test_bad_options_are_refused(history: labelaudit.History, options: dict, message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        labelaudit.audit(history, **options)


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((scores(),), {}, "a ndarray is no history; expected a History, .*labelaudit.history_from_arrays"),
        ((), {"labels": GIVEN, "pred_probs": scores()}, "there is no history to audit; .*history_from_arrays"),
        (([scores()],), {}, "a list is no history"),
    ],
)
def test_what_is_no_history_is_refused(arguments: tuple, options: dict, message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        labelaudit.audit(*arguments, **options)


def test_more_classes_than_memory_holds_are_refused(tmp_path: Path) -> None:
    k = 1_000_000
    with labelaudit.Recorder(tmp_path, keep="summary") as recorder:
        recorder.record([0, 1], np.eye(2, k, dtype=np.float32), [0, 1])
        recorder.end_epoch()
    with pytest.raises(LabelAuditError, match=r"1,000,000 classes.*GiB of memory.*labelaudit\.analyzers\.aum"):
        labelaudit.audit(tmp_path)
    assert labelaudit.analyzers.aum(labelaudit.open_history(tmp_path)).shape == (2,)


def test_one_class_is_refused() -> None:
    with pytest.raises(LabelAuditError, match="the only sample has one label, 1"):
        labelaudit.audit(labelaudit.history_from_arrays(np.zeros((2, 1, 3)), [1]))
    with pytest.raises(LabelAuditError, match="all 400 samples have one label, 2"):
        labelaudit.audit(history_from_arrays(scores(), np.full(N, 2)))


def test_nan_is_refused_or_left_out(tmp_path: Path) -> None:
    broken = scores().astype(np.float32)
    broken[3, 7] = np.nan
    with labelaudit.Recorder(tmp_path, nan="keep", n_samples=N) as recorder:
        for epoch in broken:
            recorder.record(np.arange(N), epoch, GIVEN)
            recorder.end_epoch()
    with pytest.raises(LabelAuditError, match=r"epoch 3 holds NaN or infinite scores \(first: sample 7\).*--skip-nan"):
        labelaudit.audit(tmp_path)
    audit = labelaudit.audit(tmp_path, skip_nan=True)
    assert audit.samples["n_epochs"].tolist() == [EPOCHS - (i == 7) for i in range(N)]
    assert any("1 samples were seen in fewer epochs" in note for note in audit.summary["notes"])
    assert labelaudit.audit(tmp_path, epochs=range(3)).summary["window"][1] <= 2


def record(path: Path, seen: list[range], first: int = 0) -> Path:
    """Record epochs that saw only some of the samples."""
    with labelaudit.Recorder(path, n_samples=first + N, planted={first + i: y for i, y in PLANTED.items()}) as r:
        for epoch, rows in zip(scores(), seen, strict=False):
            r.record(np.asarray(rows) + first, epoch[rows], GIVEN[rows])
            r.end_epoch()
    return path


def test_samples_that_no_epoch_read_saw_are_left_out(tmp_path: Path) -> None:
    path = record(tmp_path / "run", [range(4, N), range(4, N), range(N)])
    alone = labelaudit.audit(history_from_arrays(scores()[:2, 4:], GIVEN[4:], sample_ids=range(4, N)))
    audit = labelaudit.audit(path, epochs=range(2), analyzers=["prediction_flips"])
    assert audit.samples.index.tolist() == list(range(4, N))
    assert audit.summary["n_samples"] == N - 4
    assert audit.summary["notes"] == [
        "4 of 400 samples have no prediction in the epochs read and are not in the table."
    ]
    assert audit.samples["is_label_issue"].tolist() == alone.samples["is_label_issue"].tolist()
    np.testing.assert_allclose(audit.samples["aum"], alone.samples["aum"], atol=0.01)
    assert audit.measured is not None
    vectors = labelaudit.Embeddings.from_arrays(np.eye(K)[TRUE] + 0.1 * scores()[0])
    assert labelaudit.audit(path, epochs=[0], embeddings=vectors).samples["neighbor_agreement"].notna().all()


@pytest.mark.parametrize(("rows", "message"), [([], "no sample has a prediction"), ([0, 4, 8], "3 samples have one")])
def test_too_little_left_in_the_epochs_read_is_refused(tmp_path: Path, rows: list[int], message: str) -> None:
    broken = np.full((N, K), np.nan)
    broken[rows] = scores()[0][rows]
    with labelaudit.Recorder(tmp_path, nan="keep") as recorder:
        for of_epoch in (broken, scores()[1]):
            recorder.record(np.arange(N), of_epoch, TRUE)
            recorder.end_epoch()
    with pytest.raises(LabelAuditError, match=message):
        labelaudit.audit(tmp_path, epochs=[0], skip_nan=True)


def test_curves_of_an_audit_that_left_samples_out(tmp_path: Path) -> None:
    path = record(tmp_path / "run", [range(4, N), range(4, N), range(N)])
    audit = labelaudit.audit(path, epochs=range(2))
    sample = audit.issues.index[0]
    (line, *_) = audit.plot_history(sample).get_lines()
    assert line.get_ydata()[:2] == pytest.approx(audit.history.to_pandas().query("sample_id == @sample")["p_given"][:2])
    audit.save(tmp_path / "audit")
    report = labelaudit.load_audit(tmp_path / "audit").to_html(tmp_path / "report.html")
    assert not any("history was not at hand" in note for note in report.notes)


def test_the_summary_counts_the_epochs_of_the_split(tmp_path: Path) -> None:
    with labelaudit.Recorder(tmp_path) as recorder:
        for epoch, of_epoch in enumerate(scores()):
            recorder.record(np.arange(N), of_epoch, GIVEN)
            if epoch % 3 == 2:
                recorder.record(np.arange(N), of_epoch, GIVEN, split="val")
                recorder.end_epoch(epoch, split="val")
            recorder.end_epoch(epoch)
    assert labelaudit.audit(tmp_path).summary["n_epochs"] == EPOCHS
    assert labelaudit.audit(tmp_path, split="val").summary["n_epochs"] == 2


def test_the_summary_counts_the_epochs_that_were_read(history: labelaudit.History) -> None:
    assert labelaudit.audit(history, epochs=range(3)).summary["n_epochs"] == 3
    assert str(labelaudit.audit(history, epochs=[2])).startswith("400 samples, 4 classes, 1 epochs")


def test_the_audit_says_what_was_read(history: labelaudit.History, tmp_path: Path) -> None:
    labelaudit.audit(history, epochs=np.array([2, 0]), skip_nan=True).save(tmp_path)
    info = labelaudit.load_audit(tmp_path).info
    assert (info["split"], info["epochs"], info["skip_nan"]) == ("train", [0, 2], True)
    assert (labelaudit.audit(history).info["epochs"], labelaudit.audit(history).info["skip_nan"]) == (None, False)
    assert "missing: never learned" in info["conventions"]["first_learned_epoch"]
    assert "mean over epochs (not their sum)" in info["conventions"]["aum"]


@pytest.mark.parametrize("name", ["ema_loss", "mann_kendall", "confidence_slope", "forgotten_for_good"])
def test_statistics_on_request(history: labelaudit.History, name: str) -> None:
    found = labelaudit.audit(history, analyzers=[name]).samples[name]
    pd.testing.assert_series_equal(found, getattr(labelaudit.analyzers, name)(history), check_exact=True)


def test_every_statistic_of_samples_can_be_had(history: labelaudit.History) -> None:
    functions = {name: getattr(labelaudit.analyzers, name) for name in labelaudit.analyzers.__all__}
    of_samples = [name for name, one in functions.items() if one.__annotations__.get("return") == "pd.Series[Any]"]
    assert set(OF_THEIR_OWN) < set(of_samples)
    labelaudit.audit(history, analyzers=[name for name in of_samples if name not in OF_THEIR_OWN])
    for name in OF_THEIR_OWN:
        with pytest.raises(LabelAuditError, match=rf"{name} needs more than .*labelaudit.analyzers.{name}\(history\)"):
            labelaudit.audit(history, analyzers=[name])


def test_runs_of_different_data_sets_are_noted(tmp_path: Path) -> None:
    one, other = record(tmp_path / "one", [range(N)] * 2), record(tmp_path / "other", [range(N)] * 2, first=N)
    (note,) = [one for one in labelaudit.audit([one, other]).summary["notes"] if "in common" in one]
    assert note.startswith(f"{one}, {other}: no sample in common with another run.")
    overlapping = record(tmp_path / "overlapping", [range(N)] * 2)
    assert not any("in common" in note for note in labelaudit.audit([one, overlapping]).summary["notes"])


def test_the_runner_up_is_the_next_likely_class() -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(1, N, K))
    z[0, np.arange(N), TRUE] += 4
    samples = labelaudit.audit(labelaudit.history_from_arrays(z, GIVEN, scores_are="logits")).samples
    for given, suggested, found, scores in zip(
        samples["given_label"], samples["suggested_label"], samples["runner_up_label"], z[0], strict=True
    ):
        rest = set(range(K)) - {given} - ({suggested} - {pd.NA})
        assert found == max(rest, key=lambda k: scores[k])
    assert samples["suggested_label"].notna().any()


def test_there_is_no_runner_up_where_none_stands_out() -> None:
    labels = np.arange(60) % 3
    tied = labelaudit.audit(labelaudit.history_from_arrays(np.zeros((2, 60, 3)), labels, scores_are="logits"))
    assert tied.samples["runner_up_label"].isna().all()
    wrong = labels.copy()
    wrong[:3] = (labels[:3] + 1) % 3
    of_two = labelaudit.audit(
        labelaudit.history_from_arrays([np.eye(2)[labels[labels < 2]] * 6], wrong[labels < 2] % 2)
    )
    offered = of_two.samples["suggested_label"].notna()
    assert of_two.samples.loc[offered, "runner_up_label"].isna().all()
    assert (of_two.samples.loc[~offered, "runner_up_label"] == 1 - of_two.samples.loc[~offered, "given_label"]).all()


def test_classes_of_which_two_fifths_are_labelled_as_the_next_one() -> None:
    """A network on digits wavers between the two classes, which is no sign that it learned little."""
    x, true = load_digits(return_X_y=True)
    x = torch.tensor(x / 16, dtype=torch.float32)
    given = plant_mistakes(true, 0.4, "pair", seed=0).labels
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.SGD(network.parameters(), 0.05, momentum=0.9)
    labels, found = torch.from_numpy(given), []
    for _ in range(30):
        for batch in torch.randperm(len(labels)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(x[batch]), labels[batch]).backward()
            optimizer.step()
        with torch.no_grad():
            found.append(network(x).numpy())
    audit = labelaudit.audit(history_from_arrays(np.array(found), given))
    flagged, wrong = audit.samples["is_label_issue"].to_numpy(), given != true
    assert 2 * (flagged & wrong).sum() / (flagged.sum() + wrong.sum()) > 0.7
    assert audit.summary["notes"] == []
