"""fast_loader: ffcv. The last test trains with FFCV itself, the others do without it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from labelaudit import LabelAuditError
from labelaudit.callbacks.training.ffcv_loader import FfcvFold
from labelaudit.callbacks.training.images import FoldData, ImageDataset
from labelaudit.cli import main
from labelaudit.fitting.config import FitConfig, read_config
from labelaudit.fitting.fitting import fit
from labelaudit.fitting.image_sources import ArrayImages
from tests.exports.test_real_tools import run_with
from tests.fitting.conftest import TINY

# Beside torch, numba and the others of this environment. FFCV is compiled, which needs the system packages
# libopencv-dev, libturbojpeg0-dev, pkg-config and a C++ compiler.
PACKAGES = ["ffcv==1.0.2", "opencv-python-headless", "fastargs", "terminaltables", "pytorch-pfn-extras"]


class Ahead(ArrayImages):
    """Reads in the order that it was told, into few buffers, as FFCV does."""

    size = 4

    def ahead(self, order: np.ndarray) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        ring = [torch.zeros((self.size, *self.shape), dtype=torch.uint8) for _ in range(2)]
        for number, start in enumerate(range(0, len(order), self.size)):
            positions = order[start : start + self.size]
            ring[(number + 1) % 2].fill_(255)  # what was handed out before
            buffer = ring[number % 2][: len(positions)]
            buffer.copy_(torch.from_numpy(self.read(positions)))
            yield buffer, torch.from_numpy(positions)[:, None]


@pytest.mark.parametrize("n", [1, 3, 4, 5, 8, 9, 14])
def test_the_batches_are_those_of_the_own_cache(n: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 200, (30, 2, 2, 1), dtype=np.uint8)
    dataset = ImageDataset(Ahead(pixels), np.arange(30) % 3)
    positions = np.random.default_rng(n).permutation(30)
    parts = [
        kind(dataset, positions[:n], positions[n:], batch_size=4, num_workers=0, augment="none", seed=(1, 2))
        for kind in (FoldData, FfcvFold)
    ]
    for name in ("train_dataloader", "val_dataloader"):
        own, theirs = [getattr(part, name)() for part in parts]
        assert len(own) == len(theirs)
        for epoch in range(2):
            for loader in (own, theirs) if name == "train_dataloader" else ():
                loader.batch_sampler.sampler.set_epoch(epoch)
            for one, other in zip(own, theirs, strict=True):
                assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert list(parts[1].in_order(positions[:0])) == []


def test_other_images_than_were_asked_for_are_refused() -> None:
    dataset = ImageDataset(Ahead(np.zeros((6, 2, 2, 1), np.uint8)), np.arange(6))
    data = FfcvFold(
        dataset, np.arange(6), np.arange(0), batch_size=4, num_workers=0, augment="none", seed=(0, 0)
    ).in_order(np.arange(6))
    data.dataset.begin([5, 4, 3, 2, 1, 0])
    with pytest.raises(RuntimeError, match="other images"):
        data.dataset.__getitems__([0, 1, 2, 3])


def test_without_ffcv_one_line_says_what_to_type_and_nothing_is_written(
    tree: tuple[Path, dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "ffcv", None)
    monkeypatch.delitem(sys.modules, "ffcv.loader", raising=False)
    threads = torch.get_num_threads()
    with pytest.raises(LabelAuditError, match="apt-get install libopencv-dev libturbojpeg0-dev pkg-config"):
        fit(data_path=tree[0], results_path=tmp_path / "r", fast_loader="ffcv", **TINY)
    arguments = ["--data-path", str(tree[0]), "--results-path", str(tmp_path / "r"), "--fast-loader", "ffcv"]
    assert main(["fit", *arguments]) == 2
    said = capsys.readouterr().err
    assert "pip install ffcv opencv-python numba" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "r").exists()
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize(
    ("options", "value"),
    [
        (["--fast-loader", "ffcv"], "ffcv"),
        (["--fast-loader=false"], False),
        (["--fast-loader"], True),
        (["--no-fast-loader"], False),
        ([], True),
    ],
)
def test_the_value_goes_from_the_option_to_the_file_and_back(
    options: list[str], value: bool | str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "fit.yaml"
    assert main(["fit", "--init", str(file), *options]) == 0
    capsys.readouterr()
    assert f"\nfast_loader: {str(value).lower()}\n" in file.read_text()
    assert read_config(file).fast_loader is value or value == "ffcv"
    assert read_config(file) == FitConfig(fast_loader=value)


def test_the_key_of_auto_correct_labels_means_the_own_cache(tmp_path: Path) -> None:
    assert read_config({"ffcv": True}).fast_loader is True
    assert read_config({"ffcv": False}).fast_loader is False


@pytest.mark.parametrize("value", ["fcv", 1, 0.0])
def test_another_value_is_refused(value: object) -> None:
    with pytest.raises(LabelAuditError, match="expected one of true, false, ffcv"):
        read_config({"fast_loader": value})


@pytest.mark.tools
def test_ffcv_itself_trains_to_the_same_bits(tmp_path: Path) -> None:
    """Needs the system packages libopencv-dev, libturbojpeg0-dev and pkg-config."""
    script = """
import numpy as np, torch, labelaudit
from tests.fitting.conftest import write_tree
write_tree(folder / "data", per_class=20, wrong=1)
torch.set_num_threads(1)

def trained(name, fast_loader, data=None, n_repeats=2, **options):
    place = dict(data_path=folder / "data") if data is None else dict(data=data)
    found = labelaudit.fit(**place, results_path=folder / name, fast_loader=fast_loader, n_repeats=n_repeats,
                           num_epochs=2, progress=False, **options)
    assert torch.get_num_threads() == 1
    return [labelaudit.open_history(path) for path in found.histories], found.corrections

def epochs(history, split):
    return [history.epoch(number, split=split).to_pandas() for number in (0, 1)]

colour = np.random.default_rng(0).integers(0, 256, (60, 9, 7, 3), dtype=np.uint8), np.arange(60) % 3
for number, options in enumerate((
    dict(batch_size=13, augment="shift"),
    dict(batch_size=29, num_workers=2),  # of 30: a last batch of a single image joins the one before
    dict(batch_size=8, track_eval=True),
    dict(batch_size=8, data=colour),
)):
    own, theirs = trained(f"own{number}", True, **options), trained(f"ffcv{number}", "ffcv", **options)
    assert len(list((folder / f"ffcv{number}" / "cache").glob("*.beton"))) == 1
    assert own[1].equals(theirs[1])
    for one, other in zip(own[0], theirs[0], strict=True):
        for split in ("train", "val"):
            assert list(one.ids(split)) == list(other.ids(split))
            for a, b in zip(epochs(one, split), epochs(other, split), strict=True):
                assert list(a["sample_id"]) == list(b["sample_id"])
                assert np.array_equal(np.stack(a["probabilities"]), np.stack(b["probabilities"]))

# the file is used again while it is whole, and made anew when it is damaged
file, = (folder / "ffcv0" / "cache").glob("*.beton")
written = file.stat().st_mtime_ns
trained("ffcv0", "ffcv", batch_size=13, augment="shift", n_repeats=3)
assert file.stat().st_mtime_ns == written
data = bytearray(file.read_bytes())
data[-1] ^= 1
file.write_bytes(data)
trained("ffcv0", "ffcv", batch_size=13, augment="shift", n_repeats=4)
assert file.read_bytes() != data

# a process or a thread of FFCV that fails ends the run, and leaves no file
from labelaudit.callbacks.training import ffcv_loader
from labelaudit.fitting.image_sources import ArrayImages
class Broken(ArrayImages):
    def read(self, positions):
        if len(positions) == 1 and positions[0] == 7:
            raise MemoryError("here")
        return super().read(positions)
def refused(make):
    try:
        make()
    except labelaudit.LabelAuditError as problem:
        print(problem)
refused(lambda: ffcv_loader.FfcvImages(Broken(colour[0]), folder / "broken", batch_size=4, num_workers=1))
assert list((folder / "broken").iterdir()) == []
images = ffcv_loader.FfcvImages(ArrayImages(colour[0]), folder / "whole", batch_size=4, num_workers=1)
def no_batch(*arguments):
    raise ValueError("here")
images._loader.code = [(no_batch, [0])], [0]
refused(lambda: images.ahead(np.arange(4)))
"""
    printed = run_with("ffcv", PACKAGES, script, tmp_path, beside="--no-deps")
    assert "its process ended with 1" in printed
    assert "FFCV cannot read here" in printed
