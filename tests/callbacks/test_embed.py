"""Embeddings.from_model: the features of a network, of whole images and of crops."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from labelaudit import Embeddings, LabelAuditError

torch.manual_seed(0)
IMAGES, LABELS = torch.rand(10, 3, 8, 8), torch.arange(10) % 3


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.dropout(self.body(x)))


NET = Net()


def loader(**more: Any) -> DataLoader[Any]:
    return DataLoader(TensorDataset(IMAGES, LABELS), batch_size=4, **more)


def expected(images: Tensor = IMAGES) -> np.ndarray:
    NET.eval()
    with torch.no_grad():
        found = NET.body(images).numpy()
    NET.train()
    return found


def test_auto_is_the_input_of_the_last_linear_layer() -> None:
    NET.train()
    NET.body[1].eval()  # one part is frozen, as people do
    before = {name: value.clone() for name, value in NET.state_dict().items()}
    found = Embeddings.from_model(NET, loader(), class_names=["a", "b", "c"])
    assert NET.training
    assert not NET.body[1].training
    assert all(torch.equal(before[name], value) for name, value in NET.state_dict().items())
    assert not NET.head._forward_hooks
    np.testing.assert_allclose(found.vectors, expected(), rtol=1e-6)
    assert found.labels is not None
    assert found.labels.tolist() == LABELS.tolist()
    assert found.sample_ids.tolist() == list(range(10))


def test_a_layer_by_name_is_averaged_over_its_places() -> None:
    found = Embeddings.from_model(NET, loader(), layer="body.0", sample_ids=list("abcdefghij"))
    with torch.no_grad():
        np.testing.assert_allclose(found.vectors, NET.body[0](IMAGES).mean(dim=(2, 3)).numpy(), rtol=1e-5)
    assert found.sample_ids.tolist() == list("abcdefghij")


def test_tokens_are_averaged_and_batches_may_be_dictionaries() -> None:
    class Texts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.tokens, self.head = nn.Embedding(7, 5), nn.Linear(5, 2)

        def forward(self, ids: Tensor) -> Tensor:
            found: Tensor = self.head(self.tokens(ids))
            return found

    model, ids = Texts(), torch.randint(7, (6, 3))
    batches = [{"ids": ids[:4], "labels": torch.tensor([0, 1, 0, 1])}, {"ids": ids[4:], "labels": torch.tensor([1, 1])}]
    found = Embeddings.from_model(model, batches)
    np.testing.assert_allclose(found.vectors, model.tokens(ids).mean(dim=1).detach().numpy(), rtol=1e-5)
    assert found.labels is not None
    assert found.labels.tolist() == [0, 1, 0, 1, 1, 1]


def test_auto_finds_the_layer_that_gives_the_scores() -> None:
    class TwoHeads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scores, self.first, self.spare, self.never = (nn.Linear(4, 4) for _ in range(4))

        def forward(self, x: Tensor) -> dict[str, Tensor]:
            hidden = self.first(x)
            found = {"logits": self.scores(hidden)}
            self.spare(2 * hidden)
            return found

    model, x = TwoHeads(), torch.rand(5, 4)
    found = Embeddings.from_model(model, [x])
    np.testing.assert_allclose(found.vectors, model.first(x).detach().numpy(), rtol=1e-6)
    with pytest.raises(LabelAuditError, match="layer 'never' did not run"):
        Embeddings.from_model(model, [x], layer="never")


def test_a_model_without_linear_layers_gives_its_output() -> None:
    found = Embeddings.from_model(nn.Flatten(), [IMAGES])
    np.testing.assert_array_equal(found.vectors, IMAGES.flatten(1).numpy())
    assert found.labels is None
    assert Embeddings.from_model(lambda x: x.mean(dim=(1, 2, 3)), [IMAGES]).vectors.shape == (10, 1)


def test_crops_are_resized_and_come_in_the_order_of_the_boxes() -> None:
    boxes = pd.DataFrame(
        {
            "image_id": [7, 2, 2, 9, 2],
            "x": [0, 2, -1, 0, 0],
            "y": [0, 1, 0, 4, 0],
            "w": [8, 4, 4, 8, 8],
            "h": [8, 4.5, 4, 9, 8],
            "category": ["dog", "cat", "cat", "dog", "cow"],
        },
        index=["p", "q", "r", "s", "t"],
    )
    found = Embeddings.from_model(NET, loader(), patches=boxes)
    resize = nn.Upsample(size=(8, 8), mode="bilinear", align_corners=False)
    crops = [IMAGES[7], IMAGES[2][:, 1:6, 2:6], IMAGES[2][:, 0:4, 0:3], IMAGES[9][:, 4:8], IMAGES[2]]
    np.testing.assert_allclose(
        found.vectors, np.concatenate([expected(resize(crop[None])) for crop in crops]), rtol=1e-4, atol=1e-6
    )
    assert found.sample_ids.tolist() == list("pqrst")
    assert found.inside is not None
    assert found.inside.tolist() == [7, 2, 2, 9, 2]
    assert found.class_names == ["cat", "cow", "dog"]
    whole = Embeddings.from_model(NET, loader())
    assert whole.uniqueness(regions=found).shape == (10,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"w": 0.0}, r"box 'p' has no area: \[0\.0, 0\.0, 0\.0, 8\.0\]"),
        ({"x": 8.0}, r"box 'p' \(8, 0, 8, 8\) lies outside its image, 8 x 8"),
        ({"image_id": 10}, "box 'p': the dataloader gave no image 10"),
    ],
)
def test_boxes_that_do_not_fit(change: dict[str, float], message: str) -> None:
    box = {"image_id": 7, "x": 0.0, "y": 0.0, "w": 8.0, "h": 8.0} | change
    with pytest.raises(LabelAuditError, match=message):
        Embeddings.from_model(NET, loader(), patches=pd.DataFrame([box], index=["p"]))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"layer": "trunk"}, "no layer 'trunk'; some of its layers: body, body.0"),
        ({"sample_ids": [1, 2]}, "sample_ids names 2 samples, the dataloader gave 10"),
        ({"patches": pd.DataFrame({"image_id": [0]})}, "lacks the column 'x'; expected image_id, x, y, w, h"),
        ({"patches": pd.DataFrame(columns=["image_id", "x", "y", "w", "h"])}, "no rows"),
    ],
)
def test_what_does_not_fit_is_said(more: dict[str, Any], message: str) -> None:
    with pytest.raises(LabelAuditError, match=message):
        Embeddings.from_model(NET, loader(), **more)


def test_a_shuffled_loader_is_refused() -> None:
    with pytest.raises(LabelAuditError, match="shuffle=False"):
        Embeddings.from_model(NET, loader(shuffle=True))


def test_a_layer_must_give_rows_of_numbers() -> None:
    with pytest.raises(LabelAuditError, match=r"shape \(3,\); expected 10 rows"):
        Embeddings.from_model(lambda x: torch.ones(3), [IMAGES])
    with pytest.raises(LabelAuditError, match="gave NoneType"):
        Embeddings.from_model(lambda x: None, [IMAGES])
    with pytest.raises(LabelAuditError, match="no samples"):
        Embeddings.from_model(NET, [])
    frame = pd.DataFrame([{"image_id": 0, "x": 0, "y": 0, "w": 1, "h": 1}])
    with pytest.raises(LabelAuditError, match="expected batches of shape"):
        Embeddings.from_model(NET, [torch.rand(4, 8)], patches=frame)
