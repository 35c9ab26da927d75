"""Every kind of image file, and every way in which one can be broken."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelaudit.fitting import decode as module
from labelaudit.fitting.decode import Range, Unreadable, decode, read_head, read_range

RED = (200, 30, 40)


def half_red(size: tuple[int, int] = (40, 20)) -> Image.Image:
    image = Image.new("RGB", size, "black")
    image.paste(RED, (0, 0, size[0] // 2, size[1]))
    return image


def saved(image: Image.Image, file: Path, **options: object) -> Path:
    image.save(file, **options)
    return file


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [("RGB", "jpg"), ("RGB", "webp"), ("P", "png"), ("P", "gif"), ("CMYK", "jpg"), ("CMYK", "tif"), ("RGBA", "png")],
)
def test_modes_come_out_as_the_same_picture(tmp_path: Path, mode: str, suffix: str) -> None:
    file = saved(half_red().convert(mode), tmp_path / f"x.{suffix}")
    pixels = decode(file, 16, grey=False)
    assert (pixels.shape, pixels.dtype) == ((16, 16, 3), np.uint8)
    np.testing.assert_allclose(pixels[8, 2], RED, atol=40)
    np.testing.assert_allclose(pixels[8, 13], (0, 0, 0), atol=40)


@pytest.mark.parametrize("mode", ["L", "1", "I;16", "I", "F", "LA"])
def test_grey_modes(tmp_path: Path, mode: str) -> None:
    ramp = np.tile(np.linspace(0, 255, 32).astype(np.uint8), (32, 1))
    image = Image.fromarray(ramp)
    if mode == "I;16":
        image = Image.fromarray(ramp.astype(np.uint16) * 257)
    elif mode != "L":
        image = image.convert(mode)
    file = saved(image, tmp_path / ("x.tif" if mode in ("I", "F") else "x.png"))
    assert read_head(file).grey
    pixels = decode(file, 8, grey=True)
    assert pixels.shape == (8, 8, 1)
    assert pixels[4, 7, 0] > 200
    assert pixels[4, 0, 0] < 50


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    assert (decode(saved(image, tmp_path / "x.png"), 8, grey=False) == 255).all()
    palette = Image.new("P", (8, 8), 0)
    palette.putpalette([0, 0, 0] * 256)
    file = saved(palette, tmp_path / "p.png", transparency=0)
    assert (decode(file, 8, grey=False) == 255).all()


def test_exif_rotation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise
    file = saved(half_red(), tmp_path / "x.jpg", exif=exif)
    pixels = decode(file, 16, grey=False)
    np.testing.assert_allclose(pixels[2, 8], RED, atol=40)  # left half becomes the upper one
    np.testing.assert_allclose(pixels[13, 8], (0, 0, 0), atol=40)


def test_a_jpeg_that_is_decoded_small_is_the_same_picture(tmp_path: Path) -> None:
    file = saved(half_red((800, 400)), tmp_path / "x.jpg")
    small = decode(file, 32, grey=False)
    np.testing.assert_allclose(small[16, 4], RED, atol=10)


@pytest.mark.parametrize("kind", ["jpg", "png"])
def test_truncated(tmp_path: Path, kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8))
    file = saved(noise, tmp_path / f"x.{kind}")
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(Unreadable, match="truncated"):
        decode(file, 16, grey=False)


@pytest.mark.parametrize(
    ("content", "why"),
    [(b"", "the file is empty"), (b"<html>not found</html>", "no image"), (b"\x89PNG\r\n\x1a\n" + b"\0" * 50, ".")],
)
def test_no_image_at_all(tmp_path: Path, content: bytes, why: str) -> None:
    (tmp_path / "x.png").write_bytes(content)
    for read in (read_head, lambda file: decode(file, 8, grey=True)):
        with pytest.raises(Unreadable, match=why):
            read(tmp_path / "x.png")


def test_missing_and_dangling(tmp_path: Path) -> None:
    (tmp_path / "x.png").symlink_to(tmp_path / "gone.png")
    with pytest.raises(Unreadable, match="there is no such file"):
        read_head(tmp_path / "x.png")
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(Unreadable):
        read_head(tmp_path / "folder.png")


def test_a_huge_image_is_refused_before_it_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    head = b"IHDR" + struct.pack(">IIBBBBB", 40_000, 30_000, 1, 0, 0, 0, 0)  # 1.2 gigapixels
    file = tmp_path / "bomb.png"
    chunks = [head, b"IDAT" + zlib.compress(b"")]
    written = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in chunks]
    file.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(written))
    with pytest.raises(Unreadable, match="more than 89,478,485 pixels"):
        decode(file, 8, grey=True)
    monkeypatch.setattr(module, "MAX_PIXELS", 100)
    with pytest.raises(Unreadable, match="20 x 20 pixels are more than 100: make it smaller"):
        read_head(saved(Image.new("L", (20, 20)), tmp_path / "y.png"))


def test_an_extreme_shape(tmp_path: Path) -> None:
    assert decode(saved(Image.new("L", (3000, 1)), tmp_path / "x.png"), 8, grey=True).shape == (8, 8, 1)


def test_deep_pixels_are_stretched_over_a_range_and_infinite_ones_lie_at_its_ends(tmp_path: Path) -> None:
    values = np.array([[-1000, 0], [1000, 3000]], np.int32)
    file = saved(Image.fromarray(values), tmp_path / "x.tif")
    assert read_range(file) == Range(-1000, 3000, True)
    assert decode(file, 2, grey=True)[..., 0].tolist() == [[0, 64], [128, 255]]
    assert decode(file, 2, grey=True, deep=Range(-1000, 9000, True))[..., 0].tolist() == [[0, 26], [51, 102]]
    broken = np.array([[np.nan, -np.inf], [np.inf, 0.5]], np.float32)
    other = saved(Image.fromarray(broken), tmp_path / "y.tif")
    assert read_range(other) == Range(0.5, 0.5, False)
    assert decode(other, 2, grey=True, deep=Range(0, 1, False))[..., 0].tolist() == [[0, 0], [255, 128]]
    assert read_range(saved(Image.fromarray(broken[:1]), tmp_path / "z.tif")) == Range(0, 0, False)
