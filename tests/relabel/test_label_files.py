"""relabel() on label files: exactly the wrong labels change, in a new file, in every format."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from labelaudit import Audit, DecisionLog, LabelAuditError, relabel
from tests.relabel.conftest import GIVEN, NAMES, TRUE

IDS = [f"img/{i:03}.png" for i in range(12)]
MakeAudit = Callable[..., Audit]


def csv_lines(labels: list[str]) -> list[str]:
    return [
        f'"{ident}",{i % 4}, "a ""quoted"", text" ,{label}'
        for i, (ident, label) in enumerate(zip(IDS, labels, strict=True))
    ]


def names_of(labels: object) -> list[str]:
    return [NAMES[label] for label in labels]  # type: ignore[attr-defined]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_csv_changes_only_the_wrong_labels(make_audit: MakeAudit, tmp_path: Path, ending: str) -> None:
    old, new = tmp_path / "labels.csv", tmp_path / "new.csv"
    head = "\ufeffpath,fold,note,class"
    old.write_bytes((ending.join([head, *csv_lines(names_of(GIVEN)), "", ""])).encode())
    before = old.read_bytes()
    done = relabel(old, make_audit(IDS), out=new)
    assert new.read_bytes() == (ending.join([head, *csv_lines(names_of(TRUE)), "", ""])).encode()
    assert old.read_bytes() == before
    assert done.changes["new_label"].to_dict() == {IDS[i]: NAMES[TRUE[i]] for i in (2, 5, 9)}
    assert (done.n_changed, done.n_removed, done.undo_log) == (3, 0, None)


def test_csv_quotes_a_label_that_was_quoted_and_keeps_bytes_that_are_no_utf8(
    make_audit: MakeAudit, tmp_path: Path
) -> None:
    old, new = tmp_path / "labels.csv", tmp_path / "new.csv"
    rows = [f'{i};"{NAMES[label]}";\xe9'.encode("latin-1") for i, label in enumerate(GIVEN)]
    old.write_bytes(b"id;label;note\n" + b"\n".join(rows))
    relabel(old, make_audit(), out=new)
    right = [f'{i};"{NAMES[label]}";\xe9'.encode("latin-1") for i, label in enumerate(TRUE)]
    assert new.read_bytes() == b"id;label;note\n" + b"\n".join(right)


def test_csv_fields_with_line_breaks_and_stray_quotes(make_audit: MakeAudit, tmp_path: Path) -> None:
    def text(labels: list[str]) -> bytes:
        notes = ['5" pipe', '"two\r\nlines, one ""field"""', " , ", '"', "x"]
        rows = [f'{one},{label} ,{notes[i % 3]},6"' for i, (one, label) in enumerate(zip(IDS, labels, strict=True))]
        return ("\r\n".join(["\r\npath,label,note,size", "", *rows]) + "\n").encode()

    old, new = tmp_path / "labels.csv", tmp_path / "new.csv"
    old.write_bytes(text(names_of(GIVEN)))
    relabel(old, make_audit(IDS), out=new)
    assert new.read_bytes() == text(names_of(TRUE))


def test_a_label_that_needs_quotes_gets_them(make_audit: MakeAudit, tmp_path: Path) -> None:
    names = ["a,b", 'say "x"', "plain"]
    old, new = tmp_path / "labels.csv", tmp_path / "new.csv"

    def written(label: int) -> str:
        return ('"a,b"', '"say ""x"""', "plain")[label]

    old.write_text("id,label\n" + "\n".join(f"{i},{written(label)}" for i, label in enumerate(GIVEN)))
    relabel(old, make_audit(names=names), out=new)
    want = [written(label) for label in TRUE]
    want[2] = '"plain"' if written(GIVEN[2]).startswith('"') else want[2]
    want[5] = '"plain"'
    assert [line.split(",", 1)[1] for line in new.read_text().split("\n")[1:]] == want


def test_csv_of_class_numbers_without_ids_or_header(make_audit: MakeAudit, tmp_path: Path) -> None:
    old, new = tmp_path / "labels.csv", tmp_path / "new.csv"
    old.write_text("\n".join(f"{label},{label / 2}" for label in GIVEN))
    relabel(old, make_audit(), out=new)
    assert [line.split(",")[0] for line in new.read_text().split("\n")] == [str(label) for label in TRUE]


def test_parquet_keeps_other_columns_types_and_metadata(make_audit: MakeAudit, tmp_path: Path) -> None:
    old, new = tmp_path / "labels.parquet", tmp_path / "new.parquet"
    kinds = pa.schema(
        [("path", pa.string()), ("size", pa.float32()), ("label", pa.dictionary(pa.int8(), pa.string()))],
        metadata={"from": "somewhere"},
    )
    columns = [pa.array(IDS), pa.array([0.5] * 12, pa.float32()), pa.array(names_of(GIVEN)).cast(kinds.field(2).type)]
    pq.write_table(pa.table(columns, schema=kinds), old)
    relabel(old, make_audit(IDS), out=new)
    found = pq.read_table(new)
    assert found.schema.metadata == {b"from": b"somewhere"}
    assert found.schema.types == pq.read_schema(old).types
    assert found["label"].to_pylist() == names_of(TRUE)
    assert found.drop_columns(["label"]) == pq.read_table(old).drop_columns(["label"])


@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_json_records_and_pairs_keep_their_spacing(make_audit: MakeAudit, tmp_path: Path, indent: int | str) -> None:
    for kind in ("records", "pairs"):
        texts = []
        for labels in (GIVEN, TRUE):
            rows = [{"id": one, "y": int(label), "x": "é"} for one, label in zip(IDS, labels, strict=True)]
            pairs = {one: int(label) for one, label in zip(IDS, labels, strict=True)}
            texts.append(json.dumps(rows if kind == "records" else pairs, indent=indent) + "\n")
        old, new = tmp_path / f"{kind}.json", tmp_path / f"{kind}-new.json"
        old.write_text(texts[0])
        relabel(old, make_audit(IDS), out=new)
        assert new.read_text() == texts[1]


def test_json_lines_leave_other_lines_alone(make_audit: MakeAudit, tmp_path: Path) -> None:
    def lines(labels: list[str]) -> str:
        rows = [f'{{"label":"{label}","id":"{one}","x":[1,2.50]}}' for one, label in zip(IDS, labels, strict=True)]
        rows[0] = rows[0].replace(":", " : ")
        return "\n".join(rows)

    old, new = tmp_path / "l.jsonl", tmp_path / "new.jsonl"
    old.write_text(lines(names_of(GIVEN)))
    relabel(old, make_audit(IDS), out=new)
    before, after = old.read_text().split("\n"), new.read_text().split("\n")
    assert [json.loads(line)["label"] for line in after] == names_of(TRUE)
    assert [i for i in range(12) if before[i] != after[i]] == [2, 5, 9]


def test_json_in_any_layout_changes_only_the_labels(make_audit: MakeAudit, tmp_path: Path) -> None:
    """One record a line, numbers as someone typed them, escapes: no json.dumps writes that again."""

    def records(labels: list[str]) -> str:
        rest = '"s": 1.10, "e":1E5, "t": "\\u00e9\\/\u2028\x85", "o": {"label": [1]}'
        rows = [f'{{"id": "{one}" ,"label":"{label}", {rest}}}' for one, label in zip(IDS, labels, strict=True)]
        return "\ufeff\n[\n  " + ",\n  ".join(rows) + "\n]\n\n"

    def lines(labels: list[str]) -> str:
        return "\ufeff" + "\r\n \r\n".join(row.strip(" ,") for row in records(labels).split("\n")[2:-3])

    def pairs(labels: list[str]) -> str:
        rows = [f'"{one}" :\t"{label}"' for one, label in zip(IDS, labels, strict=True)]
        return "{ " + " , ".join(rows) + "}"

    for kind, text in (("json", records), ("jsonl", lines), ("json", pairs)):
        old, new = tmp_path / f"{text.__name__}.{kind}", tmp_path / f"{text.__name__}-new.{kind}"
        old.write_bytes(text(names_of(GIVEN)).encode())
        assert relabel(old, make_audit(IDS), out=new).n_changed == 3
        assert new.read_bytes() == text(names_of(TRUE)).encode()


@pytest.mark.parametrize("left_out", [[0], [0, 1], [3], [11], [10, 11], [0, 5, 11], list(range(12))])
@pytest.mark.parametrize("kind", ["json", "jsonl", "pairs"])
def test_rows_leave_a_json_file_with_their_commas(
    make_audit: MakeAudit, tmp_path: Path, kind: str, left_out: list[int]
) -> None:
    def text(kept: list[int]) -> str:
        if kind == "pairs":
            return "{\n " + ",\n ".join(f'"{IDS[i]}": "{NAMES[GIVEN[i]]}"' for i in kept) + "\n}\n"
        rows = [f'{{"id": "{IDS[i]}", "label": "{NAMES[GIVEN[i]]}"}}' for i in kept]
        return "".join(f"{row}\n" for row in rows) if kind == "jsonl" else "[\n " + ",\n ".join(rows) + "\n]\n"

    audit = make_audit(IDS)
    log = DecisionLog(tmp_path / "d.jsonl", audit)
    log.decide("Ann", [(IDS[i], NAMES[GIVEN[i]]) for i in left_out], "remove")
    log.close()
    ending = "jsonl" if kind == "jsonl" else "json"
    old, new = tmp_path / f"l.{ending}", tmp_path / f"new.{ending}"
    old.write_text(text(list(range(12))))
    relabel(old, tmp_path / "d.jsonl", out=new)
    assert new.read_text() == text([i for i in range(12) if i not in left_out])


def test_new_labels_in_json_are_escaped_where_the_file_escapes(tmp_path: Path) -> None:
    wrong = pd.DataFrame({"given_label": ["a"], "suggested_label": ['"é"']}, index=["x"])
    path = tmp_path / "l.json"
    for other, want in (("e", '\\"é\\"'), ("é", '\\"é\\"'), ("\\u00e9", '\\"\\u00e9\\"')):
        path.write_text(f'{{"x": "a", "y": "{other}"}}', encoding="utf-8")
        relabel(path, wrong, out=tmp_path / f"new{len(list(tmp_path.iterdir()))}.json")
        newest = max(tmp_path.glob("new*.json"))
        assert newest.read_text(encoding="utf-8") == f'{{"x": "{want}", "y": "{other}"}}'


def test_a_json_record_without_the_label_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "l.json"
    path.write_text('[{"id": "x"}, {"id": "y", "label": "a"}]')
    nothing = pd.DataFrame({"given_label": [""], "suggested_label": ["a"]}, index=["x"])
    with pytest.raises(LabelAuditError, match="a record lacks 'label'"):
        relabel(path, nothing, dry_run=True)


def test_json_with_a_name_twice_is_refused(make_audit: MakeAudit, tmp_path: Path) -> None:
    path = tmp_path / "l.json"
    for text in ('{"a": "cat", "b": "dog", "a": "owl"}', '[{"id": 1, "label": "cat", "a": 1, "a": 2}]'):
        path.write_text(text)
        with pytest.raises(LabelAuditError, match=r"l.json cannot be read: one object in it has the name 'a' twice"):
            relabel(path, make_audit(), dry_run=True)


def test_a_dry_run_writes_nothing(make_audit: MakeAudit, tmp_path: Path) -> None:
    old = tmp_path / "labels.csv"
    old.write_text("id,label\n" + "\n".join(f"{i},{label}" for i, label in enumerate(GIVEN)))
    done = relabel(old, make_audit(), dry_run=True, in_place=True)
    assert done.n_changed == 3
    assert done.dry_run
    assert [path.name for path in tmp_path.iterdir()] == ["labels.csv"]


def test_labels_that_are_no_longer_those_audited_are_refused(make_audit: MakeAudit, tmp_path: Path) -> None:
    old, new = tmp_path / "labels.csv", tmp_path / "new.csv"
    found = make_audit(IDS)
    labels = names_of(GIVEN)
    labels[5] = "owl"
    old.write_text("\n".join(["id,label", *(f"{one},{label}" for one, label in zip(IDS, labels, strict=True))]))
    with pytest.raises(LabelAuditError, match=r"1 of 3 labels in column 'label' are not those audited .*img/005.png"):
        relabel(old, found, out=new)
    assert not new.exists()
    old.write_text("\n".join(["id,label", *(f"{one},{label}" for one, label in zip(IDS, names_of(TRUE), strict=True))]))
    with pytest.raises(LabelAuditError, match="hold the new labels already"):
        relabel(old, found, out=new)


def test_what_cannot_be_inferred_is_asked_for(make_audit: MakeAudit, tmp_path: Path) -> None:
    found = make_audit(IDS)
    path = tmp_path / "labels.csv"
    rows = [f"{one},{one},{label},{label}" for one, label in zip(IDS, names_of(GIVEN), strict=True)]
    path.write_text("\n".join(["one,two,three,four", *rows]))
    with pytest.raises(LabelAuditError, match="ids may be in column 'one', 'two'; say which with --id-column"):
        relabel(path, found, dry_run=True)
    with pytest.raises(LabelAuditError, match="labels may be in column 'three', 'four'"):
        relabel(path, found, dry_run=True, id_column="one")
    assert relabel(path, found, dry_run=True, id_column="one", label_column="four").n_changed == 3
    with pytest.raises(LabelAuditError, match="no column 'five'"):
        relabel(path, found, dry_run=True, id_column="five")
    path.write_text("\n".join(["id,label", *(f"{one},cat" for one in IDS[:5])]))
    with pytest.raises(LabelAuditError, match="no column holds every sample id exactly once"):
        relabel(path, found, dry_run=True)


def test_what_is_amiss_with_the_ids_is_said(make_audit: MakeAudit, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    rows = [f"{one},{label}\n" for one, label in zip(IDS, names_of(GIVEN), strict=True)]
    path.write_text("".join(["path,class\n", *rows, rows[0]]))
    with pytest.raises(LabelAuditError, match=r"once each, but img/000.png twice; .* with --id-column path"):
        relabel(path, make_audit(IDS), dry_run=True)
    assert relabel(path, make_audit(IDS), dry_run=True, id_column="path").n_changed == 3
    path.write_text("".join(["path,class\n", *rows, rows[2]]))
    with pytest.raises(LabelAuditError, match=r"exactly once \(column 'path' has img/002.png twice\)"):
        relabel(path, make_audit(IDS), dry_run=True)
    path.write_text("".join(["path,class\n", *rows[:5], *rows[6:]]))
    with pytest.raises(LabelAuditError, match=r"exactly once \(column 'path' lacks img/005.png\)"):
        relabel(path, make_audit(IDS), dry_run=True)
    numbers = [f"{i},{label}\n" for i, label in enumerate(names_of(GIVEN))]
    path.write_text("".join(["id,class\n", *numbers, numbers[0]]))
    with pytest.raises(LabelAuditError, match="once each, but 0 twice"):
        relabel(path, make_audit(), dry_run=True)


def test_bad_requests(make_audit: MakeAudit, tmp_path: Path) -> None:
    found = make_audit()
    path = tmp_path / "labels.csv"
    path.write_text("id,label\n" + "\n".join(f"{i},{label}" for i, label in enumerate(GIVEN)))
    with pytest.raises(LabelAuditError, match="say where the new labels go"):
        relabel(path, found)
    with pytest.raises(LabelAuditError, match="never overwritten"):
        relabel(path, found, out=path)
    with pytest.raises(LabelAuditError, match="two things"):
        relabel(path, found, out=tmp_path / "x.csv", in_place=True)
    with pytest.raises(LabelAuditError, match="there is no file or folder"):
        relabel(tmp_path / "typo.csv", found, dry_run=True)
    (tmp_path / "labels.xml").write_text("<a/>")
    with pytest.raises(LabelAuditError, match="of no known kind"):
        relabel(tmp_path / "labels.xml", found, dry_run=True)
    (tmp_path / "bad.json").write_text("{")
    with pytest.raises(LabelAuditError, match="cannot be read"):
        relabel(tmp_path / "bad.json", found, dry_run=True)
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(LabelAuditError, match="empty"):
        relabel(tmp_path / "empty.csv", found, dry_run=True)


def test_a_first_line_that_may_be_a_label_is_asked_about(tmp_path: Path) -> None:
    """Taken for a header it would shift every row by one, and the label there may be right by chance."""
    path = tmp_path / "labels.txt"
    path.write_text("cat\ndog\ndog\n")
    wrong = pd.DataFrame({"given_label": ["dog"], "suggested_label": ["cat"]}, index=[1])
    with pytest.raises(LabelAuditError, match=r"first line has 'cat', which is a class: .*--header.*--no-header"):
        relabel(path, wrong, dry_run=True)
    relabel(path, wrong, header=False, out=tmp_path / "rows.txt")
    assert (tmp_path / "rows.txt").read_text() == "cat\ncat\ndog\n"
    relabel(path, wrong, header=True, out=tmp_path / "named.txt")
    assert (tmp_path / "named.txt").read_text() == "cat\ndog\ncat\n"
    path.write_text("label\ncat\ndog\n")
    assert relabel(path, wrong, dry_run=True).n_changed == 1


def test_columns_of_one_name_and_files_of_utf16_are_refused(make_audit: MakeAudit, tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    rows = "".join(f"{i},{one},x\n" for i, one in enumerate(names_of(GIVEN)))
    path.write_text(f"id,label,label\n{rows}")
    with pytest.raises(LabelAuditError, match="has 2 columns 'label'; give each a name of its own"):
        relabel(path, make_audit(), label_column="label", dry_run=True)
    path.write_bytes(f"id,label,note\n{rows}".encode("utf-16"))
    with pytest.raises(LabelAuditError, match=r"labels\.csv cannot be read: it has bytes of 0, .*save it as UTF-8"):
        relabel(path, make_audit(), dry_run=True)


def test_parquet_keeps_its_row_groups(make_audit: MakeAudit, tmp_path: Path) -> None:
    old, new = tmp_path / "labels.parquet", tmp_path / "new.parquet"
    pq.write_table(pa.table({"id": range(12), "label": names_of(GIVEN)}), old, row_group_size=5)
    relabel(old, make_audit(), out=new)
    assert pq.ParquetFile(new).num_row_groups == 3


def test_one_sample_twice_and_an_empty_label_are_refused() -> None:
    for index, labels, message in (([2, "2"], ["a", "b"], "names sample 2 twice"), ([2], [" "], "sample 2 is empty")):
        table = pd.DataFrame({"given_label": "c", "suggested_label": labels}, index=index)
        with pytest.raises(LabelAuditError, match=message):
            relabel(["c"] * 3, table)


def test_what_a_spreadsheet_takes_for_a_formula_comes_back_exactly(make_audit: MakeAudit, tmp_path: Path) -> None:
    """Why no mark is put before such texts in a CSV file: see docs/exports.md."""
    starts = ["=1+1", "+2", "-3", "@sum", "'=1+1", "\t=4"]
    ids = [f"{starts[i % 6]} {i}.png" for i in range(12)]
    names = ["=cat()", "-dog", "@owl"]
    found = make_audit(ids, names)
    found.to_csv(tmp_path / "issues.csv", issues_only=True)
    read = pd.read_csv(tmp_path / "issues.csv", index_col=0)
    assert read.index.tolist() == found.issues.index.tolist()
    assert read["given_label"].tolist() == found.issues["given_label"].tolist()
    labels = pd.DataFrame({"id": ids, "label": [names[label] for label in GIVEN]})
    labels.to_csv(tmp_path / "labels.csv", index=False)
    relabel(tmp_path / "labels.csv", tmp_path / "issues.csv", out=tmp_path / "new.csv")
    after = pd.read_csv(tmp_path / "new.csv")
    assert after["id"].tolist() == ids
    assert after["label"].tolist() == [names[label] for label in TRUE]
