"""Files whose labels are truth values: false is class 0 and true class 1, as they are recorded."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelaudit import LabelAuditError, relabel

GIVEN = [False, True, True, False, True]
RIGHT = [False, True, False, True, True]
NUMBERS = pd.DataFrame({"given_label": [1, 0], "suggested_label": [0, 1]}, index=["c", "d"])
NAMES = (None, ["cat", "dog"], ["False", "True"])


def corrections(names: list[str] | None) -> pd.DataFrame:
    return NUMBERS if names is None else NUMBERS.map(lambda label: names[label])


def change(path: Path, names: list[str] | None) -> Path:
    out = path.with_name(f"new-{path.name}")
    relabel(path, corrections(names), out=out, class_names=names)
    return out


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("words", [("False", "True"), ("false", "true"), ("FALSE", "TRUE")])
def test_csv(tmp_path: Path, names: list[str] | None, words: tuple[str, str]) -> None:
    def text(labels: list[bool]) -> str:
        return "id,flag\n" + "".join(f"{one},{words[label]}\n" for one, label in zip("abcde", labels, strict=True))

    path = tmp_path / "labels.csv"
    path.write_text(text(GIVEN))
    assert change(path, names).read_text() == text(RIGHT)


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("kind", ["bool", "boolean", "bool[pyarrow]", "category", "object"])
def test_parquet(tmp_path: Path, names: list[str] | None, kind: str) -> None:
    path = tmp_path / "labels.parquet"
    pd.DataFrame({"id": list("abcde"), "flag": pd.Series(GIVEN).astype(kind)}).to_parquet(path)
    new = change(path, names)
    assert pq.read_table(new)["flag"].to_pylist() == RIGHT
    assert pq.read_schema(new) == pq.read_schema(path)


@pytest.mark.parametrize("names", NAMES)
def test_json(tmp_path: Path, names: list[str] | None) -> None:
    def text(labels: list[bool]) -> str:
        return json.dumps([{"id": one, "flag": label} for one, label in zip("abcde", labels, strict=True)])

    path = tmp_path / "labels.json"
    path.write_text(text(GIVEN))
    assert change(path, names).read_text() == text(RIGHT)


def test_a_third_class_has_no_truth_value(tmp_path: Path) -> None:
    third = NUMBERS.assign(suggested_label=[0, 2])
    table = pa.table({"id": list("abcde"), "flag": GIVEN})
    pq.write_table(table, tmp_path / "labels.parquet")
    with pytest.raises(LabelAuditError, match=r"truth values .*, and the new label '2' is none"):
        relabel(tmp_path / "labels.parquet", third, out=tmp_path / "new.parquet")
    table.to_pandas().to_csv(tmp_path / "labels.csv", index=False)
    with pytest.raises(LabelAuditError, match=r"column 'flag' has 'False' for class 0 and nothing for class 2"):
        relabel(tmp_path / "labels.csv", third, out=tmp_path / "new.csv")


def test_numbers_beside_truth_values_are_no_labels(tmp_path: Path) -> None:
    rows = [{"id": one, "flag": label} for one, label in zip("abcde", [False, True, 1, 0, 1], strict=True)]
    (tmp_path / "labels.json").write_text(json.dumps(rows))
    with pytest.raises(LabelAuditError, match="2 of 2 labels in column 'flag' are not those audited"):
        relabel(tmp_path / "labels.json", NUMBERS, dry_run=True)
