"""Class numbers that a file or a table of corrections writes as floats: matched, and written as the file does."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelaudit import Audit, DecisionLog, LabelAuditError, relabel
from tests.relabel.conftest import GIVEN, NAMES, TRUE

MakeAudit = Callable[..., Audit]


@pytest.mark.parametrize("names", [NAMES, None])
@pytest.mark.parametrize("kind", [pa.float32(), pa.float64(), pa.dictionary(pa.int8(), pa.float64())])
def test_parquet_floats_stay_floats(
    make_audit: MakeAudit, tmp_path: Path, kind: pa.DataType, names: list[str] | None
) -> None:
    old, new = tmp_path / "l.parquet", tmp_path / "n.parquet"
    tail = [None, float("nan"), 0.1]  # of rows that nobody audited

    def table(labels: np.ndarray) -> pa.Table:
        value = kind.value_type if isinstance(kind, pa.DictionaryType) else kind
        column = pa.array([*map(float, labels), *tail], value)
        column = column.dictionary_encode() if value is not kind else column
        return pa.table({"id": range(15), "label": column.cast(kind)})

    pq.write_table(table(GIVEN), old)
    relabel(old, make_audit(names=names), out=new)
    found = pq.read_table(new)
    assert found.schema == pq.read_table(old).schema
    want = table(TRUE)["label"].to_pylist()
    np.testing.assert_array_equal(np.array(found["label"].to_pylist(), float), np.array(want, float))
    assert [one is None for one in found["label"].to_pylist()] == [one is None for one in want]


@pytest.mark.parametrize("names", [NAMES, None])
def test_csv_and_json_keep_their_way_of_writing_numbers(
    make_audit: MakeAudit, tmp_path: Path, names: list[str] | None
) -> None:
    ways = ["{}.0", '"{}."', "{}", "{}.00"]

    def csv(labels: np.ndarray) -> str:
        return "id,label\n" + "".join(f"{i},{ways[i % 4].format(label)}\n" for i, label in enumerate(labels))

    def records(labels: np.ndarray) -> str:
        return json.dumps([{"id": i, "label": float(label), "area": 0.5} for i, label in enumerate(labels)])

    for text, ending in ((csv, "csv"), (records, "json")):
        old, new = tmp_path / f"l.{ending}", tmp_path / f"n.{ending}"
        old.write_text(text(GIVEN))
        relabel(old, make_audit(names=names), out=new)
        assert new.read_text() == text(TRUE)


def test_rows_without_ids_may_have_floats(make_audit: MakeAudit, tmp_path: Path) -> None:
    old, new = tmp_path / "l.csv", tmp_path / "n.csv"
    old.write_text("".join(f"{label}.0\n" for label in GIVEN))
    relabel(old, make_audit(), out=new)
    assert new.read_text() == "".join(f"{label}.0\n" for label in TRUE)


def test_a_table_that_pandas_made_floats_of_changes_integers_to_integers(make_audit: MakeAudit, tmp_path: Path) -> None:
    """A column with gaps is read as floats and written as 2.0; no label file got such a label from it."""
    audit = make_audit(names=None)
    audit.to_csv(tmp_path / "audit.csv")
    pd.read_csv(tmp_path / "audit.csv", index_col=0).to_csv(tmp_path / "edited.csv")
    assert ",2.0," in (tmp_path / "edited.csv").read_text()
    floats = audit.corrections().astype({"given_label": float, "suggested_label": float})
    floats.to_parquet(tmp_path / "floats.parquet")
    floats.to_csv(tmp_path / "floats.csv")
    for k, source in enumerate((tmp_path / "edited.csv", tmp_path / "floats.parquet", tmp_path / "floats.csv", floats)):
        for ending, points in (("csv", ""), ("txt", ".0")):
            old, new = tmp_path / f"{k}.{ending}", tmp_path / f"{k}-new.{ending}"
            old.write_text("id,label\n" + "".join(f"{i},{label}{points}\n" for i, label in enumerate(GIVEN)))
            relabel(old, source, out=new, audit=audit)
            assert new.read_text() == "id,label\n" + "".join(f"{i},{label}{points}\n" for i, label in enumerate(TRUE))
        for kind in (np.int64, np.float32):
            done = relabel(GIVEN.astype(kind), source)
            assert done.labels is not None
            assert done.labels.dtype == kind
            assert done.labels.tolist() == TRUE.tolist()
    old = tmp_path / "photos"
    for i, label in enumerate(GIVEN):
        (old / str(label)).mkdir(parents=True, exist_ok=True)
        (old / str(label) / f"{i}.png").write_bytes(b"")
    ids = [f"{label}/{i}.png" for i, label in enumerate(GIVEN)]
    table = floats.set_axis([ids[i] for i in floats.index]).rename_axis("sample_id")
    table.to_csv(tmp_path / "paths.csv")
    relabel(old, tmp_path / "paths.csv", out=tmp_path / "photos-new")
    assert sorted(path.name for path in (tmp_path / "photos-new").iterdir()) == ["0", "1", "2"]


def test_a_class_called_2_0_is_not_the_class_2(tmp_path: Path) -> None:
    """Versions as class names: a text is the label that it says where that label is known."""
    path = tmp_path / "l.csv"
    path.write_text("id,version\na,2\nb,2.0\nc,1.5\nd,3.0\n")
    change = pd.DataFrame({"given_label": ["2", "1.5"], "suggested_label": ["3.0", "2.0"]}, index=["a", "c"])
    done = relabel(path, change, out=tmp_path / "n.csv")
    assert done.n_changed == 2
    assert (tmp_path / "n.csv").read_text() == "id,version\na,3.0\nb,2.0\nc,2.0\nd,3.0\n"
    change = pd.DataFrame({"given_label": ["2"], "suggested_label": ["3.0"]}, index=["b"])
    with pytest.raises(LabelAuditError, match=r"sample b is '2\.0', was audited as '2'"):
        relabel(path, change, dry_run=True, class_names=["2", "2.0", "1.5", "3.0"])
    for name in ("1.0", "1.5"):
        (tmp_path / "tree" / name).mkdir(parents=True)
        (tmp_path / "tree" / name / f"{name}.png").write_bytes(b"")
    change = pd.DataFrame({"given_label": ["1.5"], "suggested_label": ["2.0"]}, index=["1.5/1.5.png"])
    relabel(tmp_path / "tree", change, out=tmp_path / "new")
    assert (tmp_path / "new" / "2.0" / "1.5.png").exists()


def test_a_new_label_that_the_column_cannot_hold_is_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "label": np.array([1, 2], np.int8)})
    frame.to_parquet(tmp_path / "i.parquet")
    frame.astype({"label": float}).to_parquet(tmp_path / "f.parquet")
    frame.to_json(tmp_path / "i.json", orient="records")
    for name, label in (("i.parquet", "cat"), ("f.parquet", "nan"), ("i.json", "cat"), ("i.parquet", "300")):
        change = pd.DataFrame({"given_label": ["1"], "suggested_label": [label]}, index=["a"])
        with pytest.raises(LabelAuditError, match=f"{name}: .* new label.*{label}"):
            relabel(tmp_path / name, change, out=tmp_path / f"n{name[1:]}")
    for labels, label in ((np.array([1, 2], np.uint8), 300), (np.array([1, 2]), "cat")):
        change = pd.DataFrame({"given_label": [1], "suggested_label": [label]}, index=[0])
        with pytest.raises(LabelAuditError, match=f"an array of .* cannot hold .* new labels, such as '{label}'"):
            relabel(labels, change)
    assert len(list(tmp_path.iterdir())) == 3
    with pytest.raises(LabelAuditError, match="sample_ids has 'a' twice"):
        relabel(["x", "y"], change, sample_ids=["a", "a"])


@pytest.mark.parametrize("with_audit", [True, False])
def test_a_column_that_fits_by_chance_is_not_the_labels(
    make_audit: MakeAudit, tmp_path: Path, with_audit: bool
) -> None:
    """Label 5 was corrected since; the fold happens to be the number that its class had."""
    audit = make_audit()
    log = DecisionLog(tmp_path / "d.jsonl", audit)
    log.decide("Ann", [(5, NAMES[GIVEN[5]])], "relabel", NAMES[TRUE[5]])
    log.close()
    labels = [NAMES[label] for label in TRUE]
    path = tmp_path / "l.csv"
    path.write_text("id,label,fold\n" + "".join(f"{i},{one},{GIVEN[5]}\n" for i, one in enumerate(labels)))
    with pytest.raises(LabelAuditError, match="column 'label' are not those audited"):
        relabel(path, tmp_path / "d.jsonl", audit=audit if with_audit else None, dry_run=True)


def test_names_that_are_numbers_of_other_classes(make_audit: MakeAudit, tmp_path: Path) -> None:
    """Folders 0, 1, 10 in sorted order: is the label 1 a name or a number? The audit knows, or nobody does."""
    names = ["0", "1", "10"]
    audit = make_audit(names=names)
    log = DecisionLog(tmp_path / "d.jsonl", audit)
    log.decide("Ann", [(5, "1")], "relabel", "10")
    log.close()
    path = tmp_path / "l.csv"
    for written, new in ((str, "2"), (lambda label: names[label], "10")):
        rows = [f"{i},{written(label)}\n" for i, label in enumerate(GIVEN)]
        path.write_text("id,label\n" + "".join(rows))
        for known in (audit, None):
            done = relabel(path, tmp_path / "d.jsonl", audit=known, out=tmp_path / f"{new}-{known is None}.csv")
            rows[5] = f"5,{new}\n"
            assert done.out is not None
            assert done.out.read_text() == "id,label\n" + "".join(rows)
    path.write_text("id,label\n5,1\n6,0\n")
    with pytest.raises(LabelAuditError, match=r"the new label '10' would be '10' or '2'; pass the audit as well"):
        relabel(path, tmp_path / "d.jsonl", dry_run=True)


def test_names_where_the_audit_has_numbers(make_audit: MakeAudit, tmp_path: Path) -> None:
    path = tmp_path / "l.csv"
    path.write_text("id,label\n" + "".join(f"{i},{NAMES[label]}\n" for i, label in enumerate(GIVEN)))
    relabel(path, make_audit(names=None), class_names=NAMES, out=tmp_path / "n.csv")
    want = "id,label\n" + "".join(f"{i},{NAMES[label]}\n" for i, label in enumerate(TRUE))
    assert (tmp_path / "n.csv").read_text() == want
