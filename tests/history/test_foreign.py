"""Histories of other tools: read as what they are, refused where they are not, never executed."""

from __future__ import annotations

import json
import os
import pickle
from collections import defaultdict
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from labelaudit import History, LabelAuditError, Recorder, audit, history_from_arrays, open_history
from labelaudit.exporting import write_aum, write_cartography
from labelaudit.history.check import check_history

N, K, EPOCHS = 30, 4, 5
IDS = [f"s{i}" for i in range(N)]


def arrays() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.arange(N) % K
    scores = rng.normal(size=(EPOCHS, N, K))
    scores[:, np.arange(N), labels] += 1
    return scores, labels


def history() -> History:
    return history_from_arrays(*arrays(), scores_are="logits", sample_ids=IDS)


def same(found: History, columns: tuple[str, ...]) -> None:
    before, after = audit(history()).samples, audit(found).samples.loc[IDS]
    assert len(found.sample_ids) == N
    for name in columns:
        np.testing.assert_allclose(
            after[name].to_numpy(float, na_value=-1), before[name].to_numpy(float, na_value=-1), rtol=1e-4, atol=1e-5
        )


def test_cartography_and_back(tmp_path: Path) -> None:
    write_cartography(history(), tmp_path)
    columns = ("given_label", "aum", "confidence", "variability", "mean_loss", "mean_entropy", "forgetting_events")
    same(open_history(tmp_path), columns)
    same(open_history(tmp_path / "training_dynamics"), columns)


def test_cartography_of_several_runs_and_of_summaries(tmp_path: Path) -> None:
    scores, labels = arrays()
    for name in ("a", "b"):
        with Recorder(tmp_path / name, keep="summary", sample_ids=IDS) as recorder:
            for epoch in range(2):
                recorder.record(np.arange(N), scores[epoch], labels)
                recorder.end_epoch()
    both = open_history([tmp_path / "a", tmp_path / "b"])
    assert write_cartography(both, tmp_path / "out") == 4
    found = open_history(tmp_path / "out")
    assert found.n_epochs == 4
    np.testing.assert_allclose(audit(found).samples["aum"], audit(both).samples["aum"], rtol=1e-3, atol=1e-3)
    write_aum(both, tmp_path / "aum")
    assert open_history(tmp_path / "aum" / "full_aum_records.csv").n_epochs == 4


def test_cartography_where_epochs_saw_some_samples(tmp_path: Path) -> None:
    for epoch, guids in enumerate(([7, 3, 5], [5, 9, 7, 7])):
        lines = [
            json.dumps({"guid": one, f"logits_epoch_{epoch}": [float(i), 0.5], "gold": one % 2})
            for i, one in enumerate(guids)
        ]
        (tmp_path / f"dynamics_epoch_{epoch}.jsonl").write_text("\n".join(lines) + "\n\n")
    found = open_history(tmp_path)
    assert found.sample_ids.tolist() == [7, 3, 5, 9]
    assert found.epoch(0)["sample_id"].to_pylist() == [7, 3, 5]
    assert found.epoch(1)["sample_id"].to_pylist() == [7, 5, 9]
    last = found.epoch(1).to_pylist()[0]
    assert last["p_given"] == pytest.approx(1 / (1 + np.exp(2.5)), rel=1e-5), "the last presentation counts"


def test_aum_and_back(tmp_path: Path) -> None:
    write_aum(history(), tmp_path)
    columns = ("given_label", "aum", "correctness", "forgetting_events", "first_learned_epoch", "never_learned")
    same(open_history(tmp_path / "full_aum_records.csv"), columns)
    table = pd.read_csv(tmp_path / "full_aum_records.csv")
    swapped = {"target_logit": "target_val", "target_val": "target_logit"}
    swapped |= {"other_logit": "other_val", "other_val": "other_logit"}
    table.rename(columns=swapped).to_csv(tmp_path / "right.csv", index=False)
    same(open_history(tmp_path / "right.csv"), columns)


@pytest.mark.parametrize("protocol", range(2, 6))
@pytest.mark.parametrize("kind", ["lists", "numpy", "arrays", "defaultdict"])
def test_interpretdl(tmp_path: Path, protocol: int, kind: str) -> None:
    scores, labels = arrays()
    predicted = scores.argmax(2)
    stats: dict[int, object] = {} if kind != "defaultdict" else defaultdict(list)
    for i in range(N):
        right, classes = (predicted[:, i] == labels[i]).astype(int), predicted[:, i]
        plain = [right.tolist(), classes.tolist()]
        made = {"numpy": [list(right), list(classes)], "arrays": [right, classes]}
        stats[i] = made.get(kind, plain)
    (tmp_path / "stats.pkl").write_bytes(pickle.dumps(stats, protocol=protocol))
    found, want = audit(open_history(tmp_path / "stats.pkl")).samples, audit(history()).samples
    for name in ("forgetting_events", "correctness", "never_learned"):
        np.testing.assert_array_equal(found[name].to_numpy(float), want[name].to_numpy(float))
    learned = ~want["never_learned"].to_numpy(bool)
    assert found["given_label"].to_numpy()[learned].tolist() == [str(one) for one in labels[learned]]
    assert set(found["given_label"].to_numpy()[~learned]) <= {"(never predicted)"}


class Evil:
    def __init__(self, call: object, *arguments: object) -> None:
        self.call, self.arguments = call, arguments

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call, self.arguments


def test_a_pickle_executes_nothing(tmp_path: Path) -> None:
    path, trace = tmp_path / "stats.pkl", tmp_path / "trace"
    attacks = [
        Evil(os.system, f"touch {trace}"),
        Evil(eval, f"open({str(trace)!r}, 'w')"),
        Evil(getattr, "x", "upper"),
        Evil(print, "x"),
        Evil(np.load, str(trace)),
        np.array([Evil(os.system, f"touch {trace}")], dtype=object),
        np.array([{1: 2}], dtype=object),
        np.zeros(1, dtype="V4"),
        Path("x"),
    ]
    for attack in attacks:
        for protocol in (0, 2, 4, 5):
            path.write_bytes(pickle.dumps({0: [[1], attack]}, protocol=protocol))
            with pytest.raises(LabelAuditError, match=r"refused|cannot be read"):
                open_history(path)
            assert not trace.exists()
    path.write_bytes(b"cnumpy.core.multiarray\n_reconstruct\n(cos\nsystem\n(I0\ntS'b'\ntR.")
    with pytest.raises(LabelAuditError, match="refused"):
        open_history(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("stats.pkl", b"", "no readable pickle"),
        ("stats.pkl", b"\x80\x04K\x01.", "holds a int"),
        ("stats.pkl", pickle.dumps({}), "holds a dict"),
        ("stats.pkl", pickle.dumps({0: [[1, 0], [2]]}), "another number of predictions"),
        ("stats.pkl", pickle.dumps({0: [[], []]}), "has no epochs"),
        ("stats.pkl", pickle.dumps({0: [[1, 1], [2, 3]]}), "right with several labels"),
        ("stats.pkl", pickle.dumps({0: [[0], [-1]]}), "below 0"),
        ("stats.pkl", pickle.dumps({0: 5}), "cannot be read as a history"),
        ("aum_values.csv", b"sample_id,aum\n0,1.5\n", "compressed=False"),
        (
            "a.csv",
            b"sample_id,num_measurements,target_logit,target_val,other_logit,other_val\n0,1,.5,1,.1,0\n0,2,.5,0,.1,1\n",
            "two labels",
        ),
        (
            "a.csv",
            b"sample_id,num_measurements,target_logit,target_val,other_logit,other_val\n",
            "has no rows; expected one for every sample and epoch",
        ),
        ("dynamics_epoch_0.jsonl", b"", "is empty"),
        ("dynamics_epoch_0.jsonl", b'{"guid": 1, "logits_epoch_0": [1, 2], "gold": -1}', "gold label -1 is out of"),
        ("dynamics_epoch_0.jsonl", b'{"guid": 1, "logits_epoch_0": [1, 2], "gold": 0.7}', r"line 1: gold is 0\.7;"),
        ("dynamics_epoch_0.jsonl", b'{"guid": 1, "logits_epoch_0": [1, 2], "gold": "yes"}', "gold is 'yes'; expected"),
        ("dynamics_epoch_0.jsonl", b'{"guid": 1, "logits_epoch_0": [1, 2], "gold": null}', "gold is None; expected"),
        ("dynamics_epoch_0.jsonl", b"{", "cannot be read as a history"),
        ("dynamics_epoch_0.jsonl", b'{"guid": 1, "gold": 0}', "cannot be read as a history"),
        ("dynamics_epoch_0.jsonl", b'{"guid": 1, "logits_epoch_0": [1, NaN], "gold": 0}', "NaN"),
        ("dynamics_epoch_0.jsonl", b'{"guid": 1, "logits_epoch_0": [1, 2], "gold": 2}', "out of range"),
        (
            "dynamics_epoch_0.jsonl",
            b'{"guid": 1, "logits_epoch_0": [1, 2], "gold": 0}\n{"guid": 1, "logits_epoch_0": [1, 2], "gold": 1}',
            "another label",
        ),
    ],
)
def test_bad_files(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(LabelAuditError, match=message):
        open_history(tmp_path if name.endswith(".jsonl") else tmp_path / name)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(LabelAuditError, match="there is no file"):
        open_history(tmp_path / "stats.pkl")


def aum_file(path: Path, ids: list[str]) -> Path:
    lines = ["sample_id,num_measurements,target_logit,target_val,other_logit,other_val"]
    lines += [f"{one},{epoch},0,{row}.5,1,0.1" for row, one in enumerate(ids) for epoch in (1, 2)]
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(
    "ids",
    [["007", "08", "7"], ["null", "NA", "nan", "None"], ["1.0", "1"], ["+1", "1"], ["9" * 25, "1"], ["a", ""]],
)
def test_ids_of_aum_stay_as_they_are_written(tmp_path: Path, ids: list[str]) -> None:
    found = open_history(aum_file(tmp_path / "full_aum_records.csv", ids))
    assert found.sample_ids.tolist() == ids
    assert found.epoch(1)["margin"].to_pylist() == pytest.approx([row + 0.4 for row in range(len(ids))], rel=1e-5)


def test_ids_of_aum_that_are_written_as_integers_are_integers(tmp_path: Path) -> None:
    assert open_history(aum_file(tmp_path / "a.csv", ["10", "-2", "0"])).sample_ids.tolist() == [10, -2, 0]


def test_what_is_in_files_of_other_tools(tmp_path: Path) -> None:
    write_aum(history(), tmp_path)
    write_cartography(history(), tmp_path)
    scores, labels = arrays()
    np.savez(tmp_path / "a.npz", logits=scores, labels=labels)
    for name, files in (("full_aum_records.csv", 1), ("training_dynamics", EPOCHS), (".", EPOCHS), ("a.npz", 1)):
        facts = check_history(tmp_path / name)
        assert facts.splits["train"]["samples"] == N
        assert (facts.splits["train"]["epochs"], facts.n_files, facts.problems) == (EPOCHS, files, [])
        assert f"{N} samples, {EPOCHS} epochs (0 to {EPOCHS - 1})" in str(facts)


def test_one_file_of_a_folder(tmp_path: Path) -> None:
    write_cartography(history(), tmp_path)
    for read in (open_history, check_history):
        with pytest.raises(LabelAuditError, match=r"epoch_0\.jsonl is a file that is no history: name the folder it"):
            read(tmp_path / "training_dynamics" / "dynamics_epoch_0.jsonl")


@pytest.mark.parametrize("name", ["x.csv", "x.npz", "x.pkl"])
def test_a_run_in_a_folder_that_is_named_like_a_file(tmp_path: Path, name: str) -> None:
    with Recorder(tmp_path / name) as recorder:
        recorder.record([0, 1], np.eye(2) * 3, [0, 1])
        recorder.end_epoch()
    assert open_history(tmp_path / name).n_samples == 2
    assert check_history(tmp_path / name).problems == []
