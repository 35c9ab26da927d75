"""Decisions on disk: append-only, whole or not at all, undone, merged, bound to what was audited."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from labelaudit import Audit, DecisionLog, LabelAuditError, audit, load_decisions, write_decisions
from tests.review.conftest import GIVEN, IDS, NAMES, Place


@pytest.fixture
def found(place: Place) -> Audit:
    return audit(place.run)


def sample(i: int) -> tuple[str, str]:
    return IDS[i], NAMES[GIVEN[i]]


def test_every_prefix_of_the_file_is_readable(found: Audit, tmp_path: Path) -> None:
    path = tmp_path / "new" / "d.jsonl"
    log = DecisionLog(path, found)
    sizes = [path.stat().st_size]
    for i in range(5):
        log.decide("Ann", [sample(i)], "keep")
        sizes.append(path.stat().st_size)
    log.close()
    whole = path.read_bytes()
    assert sizes[-1] == len(whole)
    for cut in range(sizes[0], len(whole) + 1):
        path.write_bytes(whole[:cut])
        n = sum(size <= cut for size in sizes) - 1
        assert len(load_decisions(path)) == n
        if cut % 50 == 0:  # a new start drops the torn line and goes on
            again = DecisionLog(path, found)
            again.decide("Ann", [sample(9)], "unsure")
            again.close()
            assert len(load_decisions(path)) == n + 1


def test_undo_gives_back_the_word_before(found: Audit, tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    log = DecisionLog(path, found)
    assert log.undo("Ann") == []
    log.decide("Ann", [sample(0)], "keep")
    log.decide("Ann", [sample(0), sample(1)], "remove")
    log.decide("Bo", [sample(2)], "keep")
    assert log.undo("Ann") == [IDS[0], IDS[1]]
    log.close()
    assert load_decisions(path)["action"].to_dict() == {IDS[0]: "keep", IDS[2]: "keep"}
    again = DecisionLog(path, found)
    assert again.undo("Ann") == [IDS[0]]
    again.close()
    assert load_decisions(path).index.tolist() == [IDS[2]]


def test_a_damaged_line_in_the_middle_is_an_error(found: Audit, tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"
    log = DecisionLog(path, found)
    log.decide("Ann", [sample(0)], "keep")
    log.decide("Ann", [sample(1)], "keep")
    log.close()
    data = path.read_bytes().replace(b'"keep"', b'"kexp"', 1)
    path.write_bytes(data)
    for read in (lambda: load_decisions(path), lambda: DecisionLog(path, found)):
        with pytest.raises(LabelAuditError, match="damaged in line 2"):
            read()


def test_two_reviews_of_one_file_at_once_are_refused(found: Audit, tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "d.jsonl", found)
    with pytest.raises(LabelAuditError, match="open in another review"):
        DecisionLog(tmp_path / "d.jsonl", found)
    log.close()
    DecisionLog(tmp_path / "d.jsonl", found).close()


def test_files_of_several_reviewers_add_up(found: Audit, tmp_path: Path) -> None:
    for name, action in (("Ann", "keep"), ("Bo", "remove"), ("Cy", "unsure")):
        log = DecisionLog(tmp_path / f"{name}.jsonl", found)
        log.decide(name, [sample(0)], action)
        log.decide(name, [sample(1)], "keep" if name != "Cy" else "unsure")
        log.close()
    table = load_decisions([tmp_path / f"{name}.jsonl" for name in ("Ann", "Bo", "Cy")])
    assert table["action"].tolist() == ["disputed", "keep"]
    assert table["n_reviewers"].tolist() == [3, 3]
    assert table["reviewers"].tolist() == ["Ann, Bo, Cy"] * 2
    other = found
    other.samples = other.samples.iloc[1:]
    DecisionLog(tmp_path / "other.jsonl", other).close()
    with pytest.raises(LabelAuditError, match="read them apart"):
        load_decisions([tmp_path / "Ann.jsonl", tmp_path / "other.jsonl"])


def test_bad_words_and_files(found: Audit, tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "d.jsonl", found)
    with pytest.raises(LabelAuditError, match="action='delete'"):
        log.decide("Ann", [sample(0)], "delete")
    with pytest.raises(LabelAuditError, match="needs a label"):
        log.decide("Ann", [sample(0)], "relabel")
    log.close()
    with pytest.raises(LabelAuditError, match="there is no file"):
        load_decisions(tmp_path / "typo.jsonl")
    (tmp_path / "empty.jsonl").write_bytes(b"")
    with pytest.raises(LabelAuditError, match="is empty"):
        load_decisions(tmp_path / "empty.jsonl")
    with pytest.raises(LabelAuditError, match=r"not as \.xlsx"):
        write_decisions(load_decisions(tmp_path / "d.jsonl"), tmp_path / "d.xlsx")


def test_exports_hold_the_table(found: Audit, tmp_path: Path) -> None:
    log = DecisionLog(tmp_path / "d.jsonl", found)
    log.decide("Ann", [sample(0)], "relabel", "owl")
    log.decide("Ann", [sample(1)], "keep")
    log.close()
    table = load_decisions(tmp_path / "d.jsonl")
    for kind in ("csv", "json", "parquet"):
        write_decisions(table, tmp_path / f"d.{kind}")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "d.parquet"), table, check_dtype=False)
    assert pd.read_csv(tmp_path / "d.csv")["label"].tolist()[0] == "owl"
    assert '"label":"owl"' in (tmp_path / "d.json").read_text()
