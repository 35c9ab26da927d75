"""Folders, tables and arrays, with the names that people give."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from labelaudit import LabelAuditError
from labelaudit.fitting.image_list import read_images


def touch(root: Path, *names: str) -> None:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4)).save(file, "png")


def test_natural_order_of_classes_and_files(tmp_path: Path) -> None:
    touch(tmp_path, "class 10/a.png", "class 2/img10.png", "class 2/img9.png", "Class 1/a.png")
    found = read_images(tmp_path)
    assert found.class_names == ["Class 1", "class 2", "class 10"]
    assert found.ids == ["Class 1/a.png", "class 2/img9.png", "class 2/img10.png", "class 10/a.png"]
    assert found.labels.tolist() == [0, 1, 1, 2]


def test_names_with_spaces_and_of_other_scripts_nested_and_upper_case(tmp_path: Path) -> None:
    touch(tmp_path, "собака/мой пёс.PNG", "犬/深い/フォルダ/一.jpeg", "a,b\"c/x y'z.png", "a,b\"c/deep/x y'z.png")
    found = read_images(tmp_path)
    assert set(found.class_names) == {"собака", "犬", 'a,b"c'}
    assert "犬/深い/フォルダ/一.jpeg" in found.ids
    assert len(found) == 4


def test_hidden_files_and_other_files_are_left_out(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "b/1.png", "a/.2.png", ".git/3.png", "a/.thumbs/4.png", "5.png")
    (tmp_path / "a" / "notes.txt").write_text("x")
    found = read_images(tmp_path)
    assert found.ids == ["a/1.png", "b/1.png"]
    assert any("notes.txt" in note for note in found.notes)
    assert any("no class folder, such as '5.png'" in note for note in found.notes)


def test_symbolic_links_are_followed_but_never_in_circles(tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere", "1.png")
    touch(tmp_path / "data", "a/1.png")
    (tmp_path / "data" / "b").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "a" / "again").symlink_to(tmp_path / "data" / "a")
    (tmp_path / "data" / "a" / "2.png").symlink_to(tmp_path / "elsewhere" / "1.png")
    assert read_images(tmp_path / "data").ids == ["a/1.png", "a/2.png", "b/1.png"]


def test_a_file_name_that_is_no_utf8_is_listed_as_unusable(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.png", "b/1.png")
    os.rename(os.fsencode(tmp_path / "b" / "1.png"), os.fsencode(tmp_path) + b"/b/caf\xe9.png")
    touch(tmp_path, "b/2.png")
    found = read_images(tmp_path)
    assert found.ids == ["a/1.png", "b/2.png"]
    assert list(found.unreadable) == ["b/caf\\udce9.png"]


def test_splits_on_disk_taken_for_classes_are_noted(tmp_path: Path) -> None:
    touch(tmp_path, "train/cat/1.png", "train/dog/1.png", "test/cat/2.png")
    found = read_images(tmp_path)
    assert any("the classes are 'test', 'train'. If 'cat', 'dog' are the classes" in note for note in found.notes)


@pytest.mark.parametrize(
    ("names", "message"),
    [((), r"no images in class folders \(nothing\)"), (("1.png", "2.png"), r"2 images directly in it")],
)
def test_no_images(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(LabelAuditError, match=message):
        read_images(tmp_path)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_tables(tmp_path: Path, suffix: str) -> None:
    table = pd.DataFrame({"File": ["x/1.png", "/abs/2.png", "3.png"], "Label": ["None", "007", "7"], "more": [1, 2, 3]})
    file = tmp_path / f"labels{suffix}"
    if suffix == ".parquet":
        table.to_parquet(file)
    else:
        table.to_csv(file, index=False, sep="\t" if suffix == ".tsv" else ",")
    found = read_images(file)
    assert found.ids == ["x/1.png", "/abs/2.png", "3.png"]
    assert [found.class_names[k] for k in found.labels] == ["None", "007", "7"]
    assert (found.path(0), found.path(1)) == (tmp_path / "x" / "1.png", Path("/abs/2.png"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,label\na,b\n", "has columns name, label; expected one called path"),
        ("path,kind\na,b\n", "expected one called label"),
        ("path,label\na,b\na,c\n", "names 'a' twice"),
        ("path,label\na,\n", "no label in row 1"),
        ("path,label\n", "has no rows"),
        ("path;label\na;b\n", r"columns of .*t.csv are separated by ';'; expected ','"),
        ('path,label\n"a', "cannot be read as a table"),
        ("path,label\na,b\nc,d,e\n", r"cannot be read as a table: .* saw 3$"),
        ("path,label\na,cat\nb, cat\n", "has labels 'cat' and ' cat', which differ in spaces only"),
    ],
)
def test_tables_that_say_nothing(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(LabelAuditError, match=message):
        read_images(tmp_path / "t.csv")


def test_arrays_become_bytes(tmp_path: Path) -> None:
    unit = np.linspace(0, 1, 2 * 4 * 4).reshape(2, 4, 4)
    found = read_images((unit, np.array([1, 0])))
    assert found.arrays is not None
    assert (found.arrays.shape, found.arrays.dtype, found.arrays.max()) == ((2, 4, 4, 1), np.uint8, 255)
    assert found.class_names == ["0", "1"]
    np.savez(tmp_path / "a.npz", images=found.arrays, labels=np.array(["b", "a"]))
    again = read_images(tmp_path / "a.npz")
    assert (again.class_names, again.labels.tolist()) == (["a", "b"], [1, 0])


@pytest.mark.parametrize(
    ("images", "labels"), [(np.zeros((2, 4)), [0, 1]), (np.zeros((2, 4, 4, 7)), [0, 1]), (np.zeros((2, 4, 4)), [0])]
)
def test_arrays_of_other_shapes(images: np.ndarray, labels: list[int]) -> None:
    with pytest.raises(LabelAuditError, match="expected"):
        read_images((images, labels))


@pytest.mark.parametrize(
    "labels", [np.array([1.0, np.nan, 2.0]), ["a", None, "b"], ["a", float("nan"), "b"], pd.array([1, None, 2])]
)
def test_missing_labels_of_arrays_are_refused(labels: object) -> None:
    with pytest.raises(LabelAuditError, match=r"1 of 3 labels are NaN or None \(first: image 1\)"):
        read_images((np.zeros((3, 4, 4)), labels))


def test_whole_numbers_are_named_as_in_tables() -> None:
    found = read_images((np.zeros((3, 4, 4)), np.array([1.0, 2.5, 10.0])))
    assert found.class_names == ["1", "2.5", "10"]


@pytest.mark.parametrize("content", [b"", b"junk junk", b"PK\x03\x04junk", b"npy"])
def test_files_that_are_no_arrays(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    if content == b"npy":  # under the other's name
        with (tmp_path / "a.npz").open("wb") as file:
            np.save(file, np.zeros(3))
    with pytest.raises(LabelAuditError, match=r"without pickles; write it with numpy.savez\(") as caught:
        read_images(tmp_path / "a.npz")
    assert "allow_pickle" not in str(caught.value)


def test_pickled_arrays_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", images=np.array([{}], dtype=object), labels=[0])
    with pytest.raises(LabelAuditError, match="without pickles"):
        read_images(tmp_path / "a.npz")


@pytest.mark.parametrize("name", ["nowhere", "x.txt"])
def test_nothing_there(tmp_path: Path, name: str) -> None:
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(LabelAuditError, match="data_path"):
        read_images(tmp_path / name)
