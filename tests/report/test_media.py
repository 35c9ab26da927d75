"""images=, texts= and rows= in all their forms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from labelaudit import LabelAuditError
from labelaudit.report.media import TEXT_LIMIT, Media
from labelaudit.report.thumbnails import make_thumbnails

IDS = np.array(["a.png", "sub/b.png", "c.png"], dtype=object)
POSITIONS = np.array([0, 2, 5])


def test_lists_arrays_functions_and_mappings() -> None:
    array = np.arange(12).reshape(3, 2, 2)
    assert Media(IDS, images=array).image(1).tolist() == [[4, 5], [6, 7]]
    assert Media(IDS, images=["x", "y", "z"]).image(2) == "z"
    assert Media(IDS, images=pd.Series(["x", "y", "z"], index=[9, 8, 7])).image(2) == "z"
    assert Media(IDS, images=lambda sample: f"/data/{sample}").image(1) == "/data/sub/b.png"
    assert Media(IDS, images={"c.png": "here"}).image(2) == "here"
    assert Media(IDS, images={"c.png": "here"}).image(0) is None
    assert Media(IDS).image(0) is None


def test_tensors_as_a_training_script_holds_them() -> None:
    import torch

    images = torch.rand(3, 1, 20, 30, requires_grad=True)
    assert make_thumbnails(Media(IDS, images=images), range(3)).unreadable == 0


def test_a_whole_data_set_is_looked_up_by_position() -> None:
    assert Media(POSITIONS, images=["0", "1", "2", "3", "4", "5"]).image(2) == "5"


def test_a_length_that_fits_neither_is_refused() -> None:
    with pytest.raises(LabelAuditError, match="images= has 4 entries, the audit has 3 samples"):
        Media(IDS, images=["x"] * 4)
    with pytest.raises(LabelAuditError, match="texts= has 5 entries"):
        Media(POSITIONS, texts=["x"] * 5)
    with pytest.raises(LabelAuditError, match="texts= is one string"):
        Media(IDS, texts="hello")
    with pytest.raises(LabelAuditError, match="shape"):
        Media(IDS, images=np.zeros((3, 4)))
    with pytest.raises(LabelAuditError, match="is a int"):
        Media(IDS, texts=3)


def test_a_folder_is_joined_with_the_ids(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.png").write_bytes(b"x")
    media = Media(IDS, images=tmp_path)
    assert media.image(1) == tmp_path / "sub" / "b.png"
    assert media.image(0) is None, "a missing file is no image"


def test_a_folder_without_any_of_them_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelAuditError, match="no image found"):
        Media(IDS, images=tmp_path)
    with pytest.raises(LabelAuditError, match="is no folder"):
        Media(IDS, images=tmp_path / "typo")


def test_an_id_leads_out_of_the_folder_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    (tmp_path / "secret.png").write_bytes(b"x")
    (folder / "a.png").write_bytes(b"x")
    ids = np.array(["a.png", "../secret.png", str(tmp_path / "secret.png"), "x/../../secret.png", "a\0b"], dtype=object)
    media = Media(ids, images=folder)
    assert [media.image(i) is not None for i in range(5)] == [True, False, False, False, False]


def test_texts_are_cut_and_missing_ones_left_out() -> None:
    media = Media(IDS, texts=pd.Series(["x" * 5_000, None, float("nan")], dtype=object))
    assert media.text(0) == "x" * (TEXT_LIMIT - 1) + "…"
    assert media.text(1) is None
    assert media.text(2) is None


def test_rows_of_a_frame_by_id_or_in_order() -> None:
    frame = pd.DataFrame({"age": [1.123456789, 2, 3], "name": ["x", "y" * 200, None]})
    in_order = Media(IDS, rows=frame)
    assert in_order.row(0) == [["age", "1.12346"], ["name", "x"]]
    by_id = Media(IDS, rows=frame.set_index(IDS[::-1]))
    assert by_id.row(2) == [["age", "1.12346"], ["name", "x"]]
    long = in_order.row(1)
    assert long is not None
    assert len(long[1][1]) == 80
    assert Media(IDS, rows=lambda sample: {"id": sample}).row(1) == [["id", "sub/b.png"]]
    assert Media(IDS).row(0) is None


def test_rows_whose_index_lacks_a_sample_are_refused() -> None:
    frame = pd.DataFrame({"age": [1, 2, 3]}, index=["c.png", "a.png", "B.png"])
    with pytest.raises(LabelAuditError, match=r"rows= has no row for sample 'sub/b\.png' \(the first of 1\).*'c\.png'"):
        Media(IDS, rows=frame)
    with pytest.raises(LabelAuditError, match=r"no row for sample 'a\.png'"):
        Media(IDS, rows=pd.DataFrame({"age": [1, 2, 3]}, index=[7, 8, 9]))
    with pytest.raises(LabelAuditError, match=r"no row for sample 'a\.png'"):
        Media(IDS, rows=pd.DataFrame({"age": [1, 2, 3]}, index=pd.RangeIndex(3, name="id")))
    with pytest.raises(LabelAuditError, match=r"has 'a\.png' twice"):
        Media(IDS, rows=frame.set_axis(["a.png", "a.png", "c.png"]))
