"""The cache: made once, used again, never stale or half written; and what is left out of it."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelaudit import LabelAuditError
from labelaudit.fitting import image_cache
from labelaudit.fitting.image_cache import prepare
from labelaudit.fitting.image_list import ImageList, read_images
from labelaudit.fitting.image_sources import CachedImages, DecodedImages
from tests.fitting.conftest import write_tree

OPTIONS = {"image_size": None, "largest": 64, "colour": False, "fast": True, "progress": False}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_tree(tmp_path / "data", per_class=5)
    return tmp_path / "data"


def made(data: Path, folder: Path, **changes: object) -> tuple[ImageList, CachedImages | DecodedImages, str]:
    return prepare(read_images(data), folder, **{**OPTIONS, **changes})  # type: ignore[arg-type, return-value]


def test_cache_and_files_give_the_same_pixels(data: Path, tmp_path: Path) -> None:
    images, cached, _ = made(data, tmp_path / "one")
    _, decoded, _ = made(data, tmp_path / "two", fast=False)
    assert isinstance(cached, CachedImages)
    assert isinstance(decoded, DecodedImages)
    assert cached.shape == decoded.shape == (12, 12, 1)
    for positions in ([0], [14, 3, 3], range(15)):
        np.testing.assert_array_equal(cached.read(list(positions)), decoded.read(list(positions)))
    assert len(images) == len(cached) == len(decoded) == 15
    again = pickle.loads(pickle.dumps(cached))  # what a worker process gets
    np.testing.assert_array_equal(again.read([2, 1]), cached.read([2, 1]))


def test_used_again_until_a_file_changes(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "cache"
    before = made(data, folder)[1].read(range(15))
    with monkeypatch.context() as patch:
        patch.setattr(image_cache, "decode", None)  # nothing is decoded again
        assert "decoded before" in made(data, folder)[2]
    file = data / "bar" / "bar000.png"
    Image.new("L", (12, 12), 255).save(file)
    os.utime(file, ns=(1, 1))
    _, cached, how = made(data, folder)
    assert "decoded once" in how
    assert (cached.read([0]) == 255).all()
    np.testing.assert_array_equal(cached.read(range(1, 15)), before[1:])


@pytest.mark.parametrize("change", [{"image_size": 8}, {"colour": True}, {"largest": 10}])
def test_other_options_make_another_cache(data: Path, tmp_path: Path, change: dict[str, object]) -> None:
    made(data, tmp_path / "cache")
    _, cached, how = made(data, tmp_path / "cache", **change)
    assert "decoded once" in how
    assert cached.shape == {"image_size": (8, 8, 1), "colour": (12, 12, 3), "largest": (10, 10, 1)}[next(iter(change))]


@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "index"])
def test_a_damaged_cache_is_made_anew(data: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "cache"
    before = made(data, folder)[1].read(range(15))
    file = folder / "images.bin"
    content = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    elif damage == "index":
        (folder / "index.json").write_text('{"key":')
    else:
        content[100] ^= 1
        file.write_bytes(content[:500] if damage == "cut" else content)
    _, cached, how = made(data, folder)
    assert "decoded once" in how
    np.testing.assert_array_equal(cached.read(range(15)), before)


@pytest.mark.parametrize("fast", [True, False])
def test_broken_images_are_listed_and_the_others_keep_their_pixels(data: Path, tmp_path: Path, fast: bool) -> None:
    whole = made(data, tmp_path / "whole")[1].read(range(15))
    (data / "corner" / "empty.png").write_bytes(b"")
    file = data / "bar" / "bar002.png"
    file.write_bytes(file.read_bytes()[:-60])
    for _ in range(2):  # the second time from the index
        images, source, _ = made(data, tmp_path / "cache", fast=fast)
        assert list(images.unreadable) == ["bar/bar002.png", "corner/empty.png"]
        assert images.unreadable["corner/empty.png"] == "the file is empty"
        assert len(images) == len(source) == 14
        np.testing.assert_array_equal(source.read(range(14)), np.delete(whole, 2, axis=0))


def test_a_class_without_a_readable_image_is_left_out(data: Path, tmp_path: Path) -> None:
    (data / "empty class").mkdir()
    (data / "empty class" / "x.png").write_bytes(b"")
    images, _, _ = made(data, tmp_path / "cache")
    assert images.class_names == ["bar", "corner", "dot"]
    assert images.labels.max() == 2
    assert any("'empty class'" in note for note in images.notes)


def test_one_colour_picture_makes_all_of_them_colour(data: Path, tmp_path: Path) -> None:
    Image.new("RGB", (12, 12), "red").save(data / "dot" / "red.png")
    assert made(data, tmp_path / "cache")[1].shape == (12, 12, 3)


@pytest.mark.parametrize("fast", [True, False])
def test_images_of_more_than_8_bits_are_on_one_scale_and_keep_their_levels(tmp_path: Path, fast: bool) -> None:
    ramp = np.linspace(0, 4095, 32 * 32).astype(np.uint16).reshape(32, 32)  # 12 bits in files of 16
    for name, pixels in (("bright", ramp), ("dark", ramp // 32)):
        (tmp_path / "data" / name).mkdir(parents=True)
        Image.fromarray(pixels).save(tmp_path / "data" / name / "x.png")
    (tmp_path / "data" / "dark" / "cut.png").write_bytes((tmp_path / "data" / "dark" / "x.png").read_bytes()[:-60])
    for _ in range(2):  # the second time from the index
        images, source, _ = made(tmp_path / "data", tmp_path / "cache", fast=fast)
        assert list(images.unreadable) == ["dark/cut.png"]
        bright, dark = source.read([0, 1])
        assert len(np.unique(bright)) == 256
        assert (bright.max(), dark.max()) == (255, 8)


def test_nothing_readable(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "data" / name).mkdir(parents=True)
        (tmp_path / "data" / name / "x.png").write_bytes(b"")
    with pytest.raises(LabelAuditError, match=r"none of 2 images can be read \(first: a/x.png: the file is empty\)"):
        made(tmp_path / "data", tmp_path / "cache")


def test_no_room_on_the_disk(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_cache.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(LabelAuditError, match="fast_loader: false"):
        made(data, tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("images*"))
    assert len(made(data, tmp_path / "cache", fast=False)[1]) == 15


def test_an_interrupted_write_leaves_nothing_that_counts(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(image_cache.os, "fsync", stop)
        with pytest.raises(KeyboardInterrupt):
            made(data, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
    (tmp_path / "cache" / "images.0000.unfinished").write_bytes(b"x" * 99)  # of a run that was killed
    (tmp_path / "cache" / "mine.unfinished").write_bytes(b"x")
    assert len(made(data, tmp_path / "cache")[1]) == 15
    assert {file.name for file in (tmp_path / "cache").iterdir()} == {"images.bin", "index.json", "mine.unfinished"}


def test_a_file_that_breaks_after_it_was_checked(data: Path, tmp_path: Path) -> None:
    _, decoded, _ = made(data, tmp_path / "cache", fast=False)
    (data / "bar" / "bar000.png").write_bytes(b"")
    with pytest.raises(LabelAuditError, match="was readable before"):
        decoded.read([0])


def test_arrays_are_resized() -> None:
    images = read_images((np.random.default_rng(0).integers(0, 255, (4, 9, 12)).astype(np.uint8), [0, 1, 0, 1]))
    _, source, _ = prepare(images, Path("unused"), **{**OPTIONS, "image_size": 6, "colour": True})  # type: ignore[arg-type]
    assert source.read([1, 2]).shape == (2, 6, 6, 3)
