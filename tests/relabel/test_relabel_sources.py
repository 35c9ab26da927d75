"""What relabel() takes as corrections, and relabelling of arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from labelaudit import Audit, DecisionLog, LabelAuditError, load_decisions, relabel, write_decisions
from tests.relabel.conftest import GIVEN, NAMES, TRUE

MakeAudit = Callable[..., Audit]


def decide(path: Path, audit: Audit) -> None:
    """Two reviewers: 2 becomes owl, 5 is in no class, 9 is disputed, 0 stays, 1 is unsure then dog is kept."""
    log = DecisionLog(path, audit)
    given = audit.samples["given_label"]
    log.decide("Ann", [(2, given[2])], "relabel", "owl")
    log.decide("Ann", [(5, given[5])], "remove")
    log.decide("Ann", [(9, given[9])], "relabel", "cat")
    log.decide("Bo", [(9, given[9])], "keep")
    log.decide("Bo", [(1, given[1])], "unsure")
    log.decide("Ann", [(0, given[0])], "keep")
    log.close()


def test_array_of_numbers_and_of_names(make_audit: MakeAudit) -> None:
    for audit, given, true in (
        (make_audit(), GIVEN, TRUE),
        (make_audit(names=None), GIVEN, TRUE),
        (make_audit(), np.array(NAMES)[GIVEN], np.array(NAMES)[TRUE]),
    ):
        before = given.copy()
        done = relabel(given, audit)
        assert done.labels is not None
        assert done.labels.dtype == given.dtype
        np.testing.assert_array_equal(done.labels, true)
        np.testing.assert_array_equal(given, before)


def test_array_with_ids_in_another_order(make_audit: MakeAudit) -> None:
    order = np.random.default_rng(0).permutation(12)
    done = relabel(GIVEN[order], make_audit(), sample_ids=order.tolist())
    np.testing.assert_array_equal(done.labels, TRUE[order])
    with pytest.raises(LabelAuditError, match="no longer those audited"):
        relabel(TRUE, make_audit())
    with pytest.raises(LabelAuditError, match=r"no sample [59] among the 5"):
        relabel(GIVEN[:5], make_audit())
    with pytest.raises(LabelAuditError, match="sample_ids has 3 entries"):
        relabel(GIVEN, make_audit(), sample_ids=[1, 2, 3])
    with pytest.raises(LabelAuditError, match=r"shape \(1, 12\)"):
        relabel(GIVEN[None], make_audit())


def test_decisions_in_every_form(make_audit: MakeAudit, tmp_path: Path) -> None:
    audit = make_audit()
    decide(tmp_path / "d.jsonl", audit)
    table = load_decisions(tmp_path / "d.jsonl")
    assert table["action"].to_dict() == {2: "relabel", 5: "remove", 9: "disputed", 1: "unsure", 0: "keep"}
    for kind in ("csv", "parquet", "json"):
        write_decisions(table, tmp_path / f"d.{kind}")
    for source in (table, *(tmp_path / f"d.{kind}" for kind in ("jsonl", "csv", "parquet", "json"))):
        done = relabel(GIVEN, source, audit=audit)
        assert done.labels is not None
        assert done.kept is not None
        assert [i for i in range(12) if done.labels[i] != GIVEN[i]] == [2]
        assert done.labels[2] == 2
        assert np.flatnonzero(~done.kept).tolist() == [5]
        assert [int(one) for one in done.disputed] == [9]
        assert (done.n_changed, done.n_removed) == (1, 1)


def test_a_removed_sample_leaves_the_file(make_audit: MakeAudit, tmp_path: Path) -> None:
    audit = make_audit()
    decide(tmp_path / "d.jsonl", audit)
    for kind in ("csv", "jsonl"):
        form = "{},{}" if kind == "csv" else '{{"id": {}, "label": "{}"}}'
        head = ["id,label"] if kind == "csv" else []
        path, new = tmp_path / f"l.{kind}", tmp_path / f"new.{kind}"
        path.write_text("\n".join([*head, *(form.format(i, NAMES[label]) for i, label in enumerate(GIVEN))]))
        relabel(path, tmp_path / "d.jsonl", out=new)
        want = [form.format(i, "owl" if i == 2 else NAMES[GIVEN[i]]) for i in range(12) if i != 5]
        assert new.read_text() == "\n".join([*head, *want])
    frame = pd.DataFrame({"id": range(12), "label": GIVEN})
    frame.to_parquet(tmp_path / "l.parquet")
    relabel(tmp_path / "l.parquet", tmp_path / "d.jsonl", out=tmp_path / "new.parquet")
    assert pd.read_parquet(tmp_path / "new.parquet")["id"].tolist() == [i for i in range(12) if i != 5]


def test_an_audit_folder_and_corrections(make_audit: MakeAudit, tmp_path: Path) -> None:
    audit = make_audit()
    audit.save(tmp_path / "audit")
    audit.corrections().to_csv(tmp_path / "c.csv")
    for source in (tmp_path / "audit", audit.corrections(), tmp_path / "c.csv"):
        np.testing.assert_array_equal(relabel(GIVEN, source, class_names=NAMES).labels, TRUE)
    assert relabel(GIVEN, audit, min_confidence=0.99).n_changed == 0


def test_decisions_are_bound_to_what_was_audited(make_audit: MakeAudit, tmp_path: Path) -> None:
    decide(tmp_path / "d.jsonl", make_audit())
    other = make_audit([f"s{i}" for i in range(12)])
    with pytest.raises(LabelAuditError, match="was decided on other samples or labels"):
        relabel(GIVEN, tmp_path / "d.jsonl", audit=other)
    with pytest.raises(LabelAuditError, match="name a new file for this audit"):
        DecisionLog(tmp_path / "d.jsonl", other)
    bare = load_decisions(tmp_path / "d.jsonl").drop(columns="fingerprint")
    with pytest.raises(LabelAuditError, match="which the audit lacks with that label"):
        relabel(GIVEN, bare, audit=other)


def test_sources_that_are_none(make_audit: MakeAudit, tmp_path: Path) -> None:
    with pytest.raises(LabelAuditError, match="expected given_label with suggested_label"):
        relabel(GIVEN, pd.DataFrame({"x": [1]}))
    with pytest.raises(LabelAuditError, match="there is no file"):
        relabel(GIVEN, tmp_path / "typo.csv")
    (tmp_path / "x.txt").write_text("x")
    with pytest.raises(LabelAuditError, match=r"expected .jsonl, .csv"):
        relabel(GIVEN, tmp_path / "x.txt")
    (tmp_path / "x.json").write_text("x")
    with pytest.raises(LabelAuditError, match="cannot be read as decisions"):
        relabel(GIVEN, tmp_path / "x.json")
    twice = pd.concat([make_audit().corrections()] * 2)
    with pytest.raises(LabelAuditError, match="twice"):
        relabel(GIVEN, twice)


def test_a_confidence_holds_for_tables(make_audit: MakeAudit, tmp_path: Path) -> None:
    audit = make_audit()
    audit.samples.loc[5, "suggestion_confidence"] = 0.7
    corrections = audit.corrections(0.5)
    corrections.to_csv(tmp_path / "c.csv")
    for source in (corrections, tmp_path / "c.csv"):
        assert relabel(GIVEN, source, class_names=NAMES).n_changed == 3, "they were chosen already"
        for least, n in ((0.6, 3), (0.9, 2), (0.99, 0)):
            assert relabel(GIVEN, source, class_names=NAMES, min_confidence=least).n_changed == n
    with pytest.raises(LabelAuditError, match=r"min_confidence=95 is out of range"):
        relabel(GIVEN, corrections, class_names=NAMES, min_confidence=95)
    with pytest.raises(LabelAuditError, match="what is no number"):
        relabel(GIVEN, corrections.assign(suggestion_confidence="sure"), class_names=NAMES, min_confidence=0.9)
    with pytest.raises(LabelAuditError, match="has no column suggestion_confidence: leave min_confidence="):
        relabel(GIVEN, corrections.drop(columns="suggestion_confidence"), class_names=NAMES, min_confidence=0.9)


def test_of_an_audits_own_table_flagged_rows_count(make_audit: MakeAudit, tmp_path: Path) -> None:
    audit = make_audit()
    audit.samples.loc[5, "suggestion_confidence"] = 0.7
    audit.samples.loc[0, ["suggested_label", "suggestion_confidence"]] = "owl", 0.97
    audit.to_csv(tmp_path / "all.csv")
    audit.to_parquet(tmp_path / "all.parquet")
    for source in (audit.samples, tmp_path / "all.csv", tmp_path / "all.parquet"):
        assert relabel(GIVEN, source, class_names=NAMES).changes.index.astype(int).tolist() == [2, 9]
        assert relabel(GIVEN, source, class_names=NAMES, min_confidence=0.6).n_changed == 3


def test_decisions_have_no_confidence(make_audit: MakeAudit, tmp_path: Path) -> None:
    decide(tmp_path / "d.jsonl", make_audit())
    with pytest.raises(LabelAuditError, match=r"d.jsonl holds decisions, which have no confidence: leave"):
        relabel(GIVEN, tmp_path / "d.jsonl", min_confidence=0.9)


@pytest.mark.parametrize("names", [NAMES, None])
def test_whole_numbers_are_labels_however_they_are_stored(make_audit: MakeAudit, names: list[str] | None) -> None:
    for kind in (float, np.float32, np.int8):
        done = relabel(GIVEN.astype(kind), make_audit(names=names))
        assert done.labels is not None
        assert done.labels.dtype == kind
        np.testing.assert_array_equal(done.labels, TRUE)
    np.testing.assert_array_equal(relabel([float(one) for one in GIVEN], make_audit(names=names)).labels, TRUE)
    with pytest.raises(LabelAuditError, match=r"has label [0-9.]+, but was audited as"):
        relabel(GIVEN + 0.5, make_audit(names=names))


def test_truth_values_are_labels() -> None:
    wrong = pd.DataFrame({"given_label": [1], "suggested_label": [0]}, index=[2])
    done = relabel([False, True, True], wrong)
    assert done.labels is not None
    assert done.labels.tolist() == [False, True, False]
    assert done.labels.dtype == bool
    with pytest.raises(LabelAuditError, match="array of bool cannot hold the new label 2"):
        relabel([False, True, True], wrong.assign(suggested_label=2))
    named = wrong.assign(given_label="dog", suggested_label="cat")
    of_objects = np.array([False, True, True], dtype=object)
    done = relabel(of_objects, named, class_names=["cat", "dog"])
    assert done.labels is not None
    assert done.labels.tolist() == [False, True, False]


def test_positions_hold_for_all_labels_or_for_none(make_audit: MakeAudit, tmp_path: Path) -> None:
    """Rows in another order, or other rows, may by chance have the audited labels where something is to change."""
    audit = make_audit()
    swapped = GIVEN.copy()
    swapped[[0, 1]] = swapped[[1, 0]]
    twice = np.concatenate([GIVEN, GIVEN])
    path = tmp_path / "labels.csv"
    decide(tmp_path / "d.jsonl", audit)
    for source in (audit, tmp_path / "d.jsonl"):
        for labels, message in ((swapped, "row 0 has label"), (twice, "has 24 rows, and the audit is of 12 samples")):
            with pytest.raises(LabelAuditError, match=message):
                relabel(labels, source, audit=audit)
            path.write_text("label,x\n" + "".join(f"{NAMES[label]},y\n" for label in labels))
            with pytest.raises(LabelAuditError, match=message):
                relabel(path, source, audit=audit, dry_run=True)
        assert relabel(twice, source, audit=audit, sample_ids=range(24)).n_changed > 0, "ids that are said are believed"
    audit.samples = audit.samples.drop(index=[0, 11])
    assert relabel(twice, audit).n_changed == 3, "not all rows were audited"


def test_ids_that_are_no_row_numbers_are_not_taken_for_them(make_audit: MakeAudit) -> None:
    audit = make_audit([str(i) for i in range(11)] + ["cat.png"])
    with pytest.raises(LabelAuditError, match=r"ids 0 to cat.png, which do not number them: pass the ids"):
        relabel(GIVEN, audit)


def test_options_that_say_nothing_of_the_target_are_refused(make_audit: MakeAudit, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("id,label\n0,cat\n")
    (tmp_path / "photos").mkdir()
    for target in (GIVEN, tmp_path / "photos"):
        for option in ({"id_column": "id"}, {"label_column": "label"}, {"header": False}):
            with pytest.raises(LabelAuditError, match=r"is about a (label|CSV) file; for .* leave it out"):
                relabel(target, make_audit(), dry_run=True, **option)
    for path in ("labels.csv", "photos"):
        with pytest.raises(LabelAuditError, match=r"is about an array; for .* leave it out"):
            relabel(tmp_path / path, make_audit(), dry_run=True, sample_ids=[0])


ON_DISK = r"is about a label file or a folder; for an array leave it out; the new labels are returned"
REFUSED = {  # target, option: what is said of it
    ("array", "out"): ON_DISK,
    ("array", "in_place"): ON_DISK,
    ("array", "undo_log"): ON_DISK,
    ("array", "how"): "is about a folder of class folders; for an array leave it out",
    ("array", "id_column"): "is about a label file; for an array leave it out",
    ("array", "label_column"): "is about a label file; for an array leave it out",
    ("array", "header"): "is about a CSV file; for an array leave it out",
    ("photos", "id_column"): "is about a label file; for the folder .*photos leave it out",
    ("photos", "label_column"): "is about a label file; for the folder .*photos leave it out",
    ("photos", "header"): "is about a CSV file; for the folder .*photos leave it out",
    ("photos", "sample_ids"): "is about an array; for the folder .*photos leave it out",
    **{(f"labels.{kind}", "sample_ids"): "is about an array; for" for kind in ("csv", "parquet", "json", "jsonl")},
    **{(f"labels.{kind}", "how"): "is about a folder of class" for kind in ("csv", "parquet", "json", "jsonl")},
    **{(f"labels.{kind}", "header"): "is about a CSV file; for .*" for kind in ("parquet", "json", "jsonl")},
    **{
        (name, "undo_log"): "is about in_place=True"
        for name in ("photos", "labels.csv", "labels.parquet", "labels.json")
    },
}
VALUES = {"out": "new", "in_place": True, "undo_log": "u.jsonl", "how": "copy", "id_column": "id", "header": False,
          "label_column": "label", "sample_ids": list(range(12))}  # fmt: skip


def a_target(place: Path, name: str) -> Any:
    frame = pd.DataFrame({"id": range(12), "label": [NAMES[label] for label in GIVEN]})
    if name == "array":
        return GIVEN
    path = place / name
    if name == "photos":
        for i, label in enumerate(GIVEN):
            (path / NAMES[label]).mkdir(parents=True, exist_ok=True)
            (path / NAMES[label] / f"{i}.png").write_bytes(b"")
    elif name == "labels.csv":
        frame.to_csv(path, index=False)
    elif name == "labels.parquet":
        frame.to_parquet(path)
    else:
        frame.to_json(path, orient="records", lines=name.endswith("l"))
    return path


@pytest.mark.parametrize(("name", "option"), REFUSED)
def test_every_option_that_would_be_ignored_is_refused(
    make_audit: MakeAudit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, option: str
) -> None:
    monkeypatch.chdir(tmp_path)
    target = a_target(tmp_path, name)
    before = sorted(tmp_path.rglob("*"))
    for dry_run in (False, True):
        with pytest.raises(LabelAuditError, match=f"{option}=.*{REFUSED[name, option]}"):
            relabel(target, make_audit(), dry_run=dry_run, **{option: VALUES[option]})
    assert sorted(tmp_path.rglob("*")) == before


def test_options_that_make_each_other_void_are_refused(make_audit: MakeAudit, tmp_path: Path) -> None:
    photos, labels = (a_target(tmp_path, name) for name in ("photos", "labels.csv"))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(LabelAuditError, match=r"how='link' is about a new folder \(out=\)"):
        relabel(photos, make_audit(), in_place=True, how="link")
    with pytest.raises(LabelAuditError, match=r"undo_log='.*' is about in_place=True"):
        relabel(labels, make_audit(), out=tmp_path / "new.csv", undo_log=tmp_path / "u.jsonl")
    with pytest.raises(LabelAuditError, match=r"ends in \.parquet, but .* old one's kind; name .*new\.csv"):
        relabel(labels, make_audit(), out=tmp_path / "new.parquet")
    with pytest.raises(LabelAuditError, match="another one; leave audit= out"):
        relabel(labels, make_audit(), audit=make_audit([f"{i}.png" for i in range(12)]), dry_run=True)
    with pytest.raises(LabelAuditError, match=r"class_names is a, b, c, and the audit's classes are cat, dog, owl"):
        relabel(labels, make_audit(), class_names=["a", "b", "c"], dry_run=True)
    with pytest.raises(LabelAuditError, match="class_names is the text 'cat'"):
        relabel(labels, make_audit(), class_names="cat", dry_run=True)
    assert sorted(tmp_path.rglob("*")) == before
    assert relabel(labels, make_audit(), out=tmp_path / "new.txt", class_names=NAMES).n_changed == 3


def test_a_dry_run_refuses_what_the_run_would(make_audit: MakeAudit, tmp_path: Path) -> None:
    labels = a_target(tmp_path, "labels.csv")
    (tmp_path / "taken").write_text("")
    for dry_run in (True, False):
        with pytest.raises(LabelAuditError, match="taken exists and is never overwritten"):
            relabel(labels, make_audit(), out=tmp_path / "taken", dry_run=dry_run)
        with pytest.raises(LabelAuditError, match="taken exists; name a new file for the undo log"):
            relabel(labels, make_audit(), in_place=True, undo_log=tmp_path / "taken", dry_run=dry_run)
        with pytest.raises(LabelAuditError, match=r"there is no folder .*no for the undo log"):
            relabel(labels, make_audit(), in_place=True, undo_log=tmp_path / "no" / "u", dry_run=dry_run)


def test_an_array_can_be_relabelled_dry(make_audit: MakeAudit) -> None:
    done = relabel(GIVEN, make_audit(), dry_run=True)
    assert done.dry_run
    assert str(done).startswith("Would change 3 labels")
    assert not relabel(GIVEN, make_audit()).dry_run
