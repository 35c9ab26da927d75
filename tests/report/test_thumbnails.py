"""Thumbnails: small, right way up, bounded, and a damaged file is only counted."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelaudit import LabelAuditError
from labelaudit.report.media import Media
from labelaudit.report.thumbnails import as_bytes, data_uri, make_thumbnails, thumbnail, value_range

RNG = np.random.default_rng(0)
PHOTO = RNG.integers(0, 255, (300, 400, 3), dtype=np.uint8)


def opened(uri: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2])))


def test_a_photo_becomes_small() -> None:
    uri = data_uri(PHOTO)
    assert uri.startswith("data:image/jpeg;base64,")
    assert opened(uri).size == (96, 72)
    assert len(uri) < 12_000


def test_a_tiny_image_stays_exact() -> None:
    digit = RNG.integers(0, 255, (8, 8), dtype=np.uint8)
    uri = data_uri(digit)
    assert uri.startswith("data:image/png;base64,")
    assert np.array_equal(np.asarray(opened(uri)), digit)


def test_transparency_is_kept() -> None:
    uri = data_uri(np.dstack([PHOTO, np.zeros((300, 400), np.uint8)]))
    assert opened(uri).convert("RGBA").getextrema()[3] == (0, 0)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "gif", "bmp"])
def test_files_of_every_usual_kind(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"photo.{suffix}"
    Image.fromarray(PHOTO).save(path)
    assert opened(data_uri(path)).size == (96, 72)
    assert opened(data_uri(path.read_bytes())).size == (96, 72)


def test_the_orientation_in_exif_counts(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    Image.fromarray(PHOTO).save(tmp_path / "turned.jpg", exif=exif)
    assert opened(data_uri(tmp_path / "turned.jpg")).size == (72, 96)


@pytest.mark.parametrize("values", [np.uint16([0, 65_535]), np.int32([1_000, 1_200]), np.float32([-3.0, 0.2])])
def test_files_of_more_than_eight_bits_are_not_all_white(tmp_path: Path, values: np.ndarray) -> None:
    ramp = np.linspace(*values.tolist(), 64 * 48).reshape(48, 64).astype(values.dtype)
    Image.fromarray(ramp).save(tmp_path / "scan.tif")
    shown = np.asarray(opened(data_uri(tmp_path / "scan.tif")).convert("L")).astype(float)
    np.testing.assert_allclose(shown, np.linspace(0, 255, 64 * 48).reshape(48, 64), atol=6)


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGBA", "CMYK", "I;16", "F"])
def test_pil_images_of_every_mode(mode: str) -> None:
    picture = Image.new(mode, (200, 100))
    kept = picture.copy()
    assert thumbnail(picture)[0]
    assert picture.size == kept.size, "the user's image stays as it was"


def test_values_are_stretched_together() -> None:
    images = np.stack([np.zeros((4, 4)), np.full((4, 4), 16.0)])
    scale = value_range(images)
    assert scale == (0, 16)
    assert as_bytes(images[1], scale).max() == 255
    assert as_bytes(images[0], scale).max() == 0
    assert as_bytes(np.full((2, 2), 0.5), (0.0, 1.0)).tolist() == [[127, 127], [127, 127]]
    assert as_bytes(np.array([[0, 1]], np.uint8)).tolist() == [[0, 255]], "a mask of bytes"
    assert as_bytes(np.full((2, 2), 7.0), (7.0, 7.0)).shape == (2, 2)
    assert value_range(["a.png"]) is None


@pytest.mark.parametrize("shape", [(5, 6), (5, 6, 1), (5, 6, 3), (5, 6, 4), (1, 5, 6), (3, 5, 6)])
def test_arrays_of_every_layout(shape: tuple[int, ...]) -> None:
    assert as_bytes(RNG.random(shape)).shape[:2] == (5, 6)


@pytest.mark.parametrize("shape", [(5,), (5, 6, 2), (2, 5, 6, 3), (0, 4)])
def test_what_is_no_image_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(LabelAuditError, match="an image has shape"):
        as_bytes(np.zeros(shape), (0.0, 1.0))


def test_damaged_files_are_counted_and_the_rest_shown(tmp_path: Path) -> None:
    Image.fromarray(PHOTO).save(tmp_path / "good.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "good.png").read_bytes()[:500])
    (tmp_path / "text.png").write_text("no image")
    ids = np.array(["good.png", "cut.png", "text.png", "missing.png"], dtype=object)
    made = make_thumbnails(Media(ids, images=tmp_path), range(4))
    assert [uri is not None for uri in made.uris] == [True, False, False, False]
    assert made.unreadable == 2
    assert made.first_problem.startswith("sample cut.png: image file is truncated")
    for image, problem in ((str(tmp_path / "text.png"), f"{tmp_path}/text.png is"), (b"no image", "its bytes are")):
        made = make_thumbnails(Media(np.array([7]), images=[image]), range(1))
        assert made.first_problem == f"sample 7: {problem} no image, or of a kind that Pillow does not know"


def test_a_decompression_bomb_is_not_unpacked(tmp_path: Path) -> None:
    Image.new("1", (20_000, 10_000)).save(tmp_path / "bomb.png")
    made = make_thumbnails(Media(np.array(["bomb.png"], dtype=object), images=tmp_path), range(1))
    assert made.uris == [None]
    assert "decompression bomb" in made.first_problem


def test_all_of_them_together_are_bounded() -> None:
    media = Media(np.arange(300), images=lambda _: PHOTO)
    made = make_thumbnails(media, range(300), max_bytes=100_000)
    shown = sum(uri is not None for uri in made.uris)
    assert len(made.uris) == 300
    assert 0 < shown < 300
    assert made.left_out == 300 - shown
    assert sum(len(uri or "") for uri in made.uris) <= 100_000


def test_without_images_there_are_none() -> None:
    assert make_thumbnails(Media(np.arange(2)), range(2)).uris == [None, None]
