"""The parts that train: batches, augmentation, networks and their weights."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from labelaudit import LabelAuditError
from labelaudit.callbacks.training import networks
from labelaudit.callbacks.training.augment import augmented
from labelaudit.callbacks.training.classifier import ImageClassifier, generalised_cross_entropy
from labelaudit.callbacks.training.images import Batches, FoldData, ImageDataset, ShuffledPositions
from labelaudit.callbacks.training.small_cnn import LOSS_POWER, SmallCNN
from labelaudit.fitting.fitting import fit
from labelaudit.fitting.image_sources import ArrayImages
from tests.fitting.conftest import TINY

BUILD = {"shape": (12, 12, 1), "n_classes": 3, "learning_rate": 0.01, "mean": [0.2], "deviation": [0.1]}
OWN = """
import torch
from torch import nn
from lightning.pytorch import LightningModule

class Own(LightningModule):
    def __init__(self, num_classes, image_size, lr=1.0):
        super().__init__()
        self.net = nn.Sequential(nn.Flatten(), nn.Linear(image_size ** 2, 16), nn.ReLU(), nn.Dropout(0.1),
                                 nn.Linear(16, num_classes))
        self.lr = lr

    def forward(self, x):
        return self.net(x)

    def training_step(self, batch, batch_idx):
        x, y = batch
        return nn.functional.cross_entropy(self(x), y)

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=self.lr)

class NeedsMore(Own):
    def __init__(self, num_classes, image_size, tokenizer):
        super().__init__(num_classes, image_size)

def no_module():
    return 3
"""


@pytest.mark.parametrize(("n", "size"), [(10, 4), (9, 4), (8, 4), (4, 4), (3, 4), (1, 4), (5, 1), (2, 1), (1, 1)])
def test_batches_have_every_position_once_and_no_single_one_at_the_end(n: int, size: int) -> None:
    batches = Batches(ShuffledPositions(n, (0, 0)), size)
    made = list(batches)
    assert len(made) == len(batches)
    assert sorted(position for batch in made for position in batch) == list(range(n))
    if n > size > 1:
        assert min(map(len, made)) > 1


def test_order_depends_on_seed_and_epoch_only() -> None:
    order = ShuffledPositions(20, (1, 2))
    first = list(order)
    order.set_epoch(1)
    assert list(order) != first
    order.set_epoch(0)
    assert list(order) == first
    assert list(ShuffledPositions(20, (1, 3))) != first


def test_a_fold_holds_its_images_and_labels() -> None:
    pixels = np.arange(6, dtype=np.uint8)[:, None, None, None].repeat(4, 1).repeat(4, 2)
    dataset = ImageDataset(ArrayImages(pixels), np.arange(6))
    data = FoldData(
        dataset, np.array([1, 3, 5]), np.array([0, 2]), batch_size=2, num_workers=0, augment="none", seed=(0, 0)
    )
    for loader, expected in ((data.train_dataloader(), {1, 3, 5}), (data.val_dataloader(), {0, 2})):
        seen = set()
        for images, labels in loader:
            assert images.shape[1:] == (1, 4, 4)
            np.testing.assert_allclose(images[:, 0, 0, 0].numpy() * 255, labels.numpy(), atol=1e-4)
            seen |= set(labels.tolist())
        assert seen == expected
    image, label = dataset[4]
    assert (image.shape, int(label)) == ((4, 4, 1), 4)


@pytest.mark.parametrize("kind", ["none", "shift", "flip"])
def test_augmented_images_are_moved_or_mirrored_ones(kind: str) -> None:
    image = torch.arange(28 * 28, dtype=torch.float32).reshape(1, 1, 28, 28)
    many = augmented(image.expand(64, 1, 28, 28), kind, torch.Generator().manual_seed(0))
    assert many.shape == (64, 1, 28, 28)
    middles = {round(float(one[0, 14, 14])) for one in many}
    moved = {28 * (14 + y) + 14 + x for y in range(-2, 3) for x in range(-2, 3)}
    mirrored = {28 * (14 + y) + 13 + x for y in range(-2, 3) for x in range(-2, 3)}
    allowed = {"none": {28 * 14 + 14}, "shift": moved, "flip": moved | mirrored}[kind]
    assert middles <= allowed
    assert (len(middles) > 1) == (kind != "none")
    again = augmented(image.expand(64, 1, 28, 28), kind, torch.Generator().manual_seed(0))
    assert torch.equal(many, again)


@pytest.mark.parametrize("side", [4, 12, 28, 64, 96, 224])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_small_network_takes_images_of_any_size(side: int, channels: int) -> None:
    net = SmallCNN(channels, 5, side)
    logits = net(torch.zeros(2, channels, side, side))
    assert logits.shape == (2, 5)
    assert sum(p.numel() for p in net.parameters()) < 200_000


def test_the_loss_lies_between_cross_entropy_and_the_mean_absolute_error() -> None:
    logits, labels = torch.randn(20, 4, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 4
    p = logits.softmax(dim=1)[torch.arange(20), labels]
    assert generalised_cross_entropy(logits, labels, 0.0) == nn.functional.cross_entropy(logits, labels)
    for power in (1e-4, 0.5, 1.0):
        expected = -p.log().mean() if power < 0.01 else ((1 - p**power) / power).mean()
        torch.testing.assert_close(generalised_cross_entropy(logits, labels, power), expected, rtol=1e-3, atol=0)
    far = (1000 * logits).requires_grad_()
    generalised_cross_entropy(far, labels, 0.5).backward()
    assert far.grad is not None
    assert far.grad.isfinite().all()


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_probabilities_are_those_of_the_labels_whatever_the_loss(power: float) -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(1, 3, bias=False))
    module = ImageClassifier(net, 0.1, torch.zeros(1), torch.ones(1), power)
    batch = torch.ones(10, 1, 1, 1), torch.tensor([0] * 6 + [1] * 3 + [2])
    optimizer = torch.optim.Adam(module.parameters(), 0.1)
    for _ in range(300):
        optimizer.zero_grad()
        module.training_step(batch, 0)["loss"].backward()
        optimizer.step()
    found = module.validation_step(batch, 0)["logits"].softmax(dim=1)[0]
    torch.testing.assert_close(found, torch.tensor([0.6, 0.3, 0.1]), atol=0.01, rtol=0)


def test_the_built_in_network_learns_with_the_robust_loss() -> None:
    assert networks.build("small_cnn", None, **BUILD).loss_power == LOSS_POWER > 0


def test_weights_are_loaded_as_data_only(tmp_path: Path) -> None:
    net = SmallCNN(1, 3, 12)
    torch.save(net.state_dict(), tmp_path / "net.pt")
    made = networks.build("small_cnn", str(tmp_path / "net.pt"), **BUILD)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), made.net.parameters(), strict=True))
    torch.save(SmallCNN(1, 7, 12).state_dict(), tmp_path / "seven.pt")  # another last layer
    networks.build("small_cnn", str(tmp_path / "seven.pt"), **BUILD)
    torch.save(net, tmp_path / "whole.pt")  # a pickle of the object
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "other.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    (tmp_path / "broken.pt").write_bytes(b"PK\x03\x04")
    for name, message in {
        "whole.pt": "no file of weights alone; save one with",
        "other.pt": "belongs to another network",
        "list.pt": "holds no state dict",
        "broken.pt": "no file of weights alone; save one with",
        "none.pt": "there is no file",
    }.items():
        with pytest.raises(LabelAuditError, match=message) as caught:
            networks.build("small_cnn", str(tmp_path / name), **BUILD)
        assert "weights_only" not in str(caught.value)


@pytest.fixture
def own_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "my_nets.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_nets", raising=False)
    return "my_nets"


def test_ones_own_module_is_trained_and_recorded(
    own_module: str, tree: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    options = {**TINY, "num_epochs": 8, "learning_rate": 0.01}
    found = fit(data_path=tree[0], results_path=tmp_path / "r", model_name=f"{own_module}.Own", **options)
    assert set(found.corrections["num_preds"]) == {1}
    assert set(found.audit.issues.index) >= set(tree[1])
    again = fit(data_path=tree[0], results_path=tmp_path / "again", model_name=f"{own_module}.Own", **options)
    pd.testing.assert_frame_equal(found.corrections, again.corrections)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("my_nets.NeedsMore", "needs 'tokenizer'"),
        ("my_nets.Other", "has no 'Other'"),
        ("no_nets.Own", "there is no module 'no_nets'"),
        ("my_nets.no_module", "makes a int; expected a LightningModule"),
    ],
)
def test_modules_that_cannot_be_trained(own_module: str, name: str, message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        networks.build(name, None, **BUILD)
    assert sys.path[0] != str(Path.cwd())


def test_torchvision_models_without_torchvision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.delitem(sys.modules, "torchvision.models", raising=False)
    with pytest.raises(LabelAuditError, match="torchvision is not installed"):
        networks.build("resnet18", None, **BUILD)
    with pytest.raises(LabelAuditError, match="no pretrained weights of small_cnn"):
        networks.build("small_cnn", "pretrained", **BUILD)


def test_no_such_device(tree: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.fail("this test is for machines without a GPU")
    with pytest.raises(LabelAuditError, match="device 'cuda' cannot be used"):
        fit(data_path=tree[0], results_path=tmp_path / "r", device="cuda", **TINY)


def test_worker_processes_read_the_same(tree: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    options = {**TINY, "num_epochs": 1, "n_repeats": 1}
    alone = fit(data_path=tree[0], results_path=tmp_path / "alone", **options)
    workers = fit(data_path=tree[0], results_path=tmp_path / "workers", num_workers=1, fast_loader=False, **options)
    pd.testing.assert_frame_equal(alone.corrections, workers.corrections)
