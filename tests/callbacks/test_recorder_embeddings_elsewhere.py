"""Embeddings in a plain PyTorch loop and under Hugging Face's Trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from embedding_spy import Net, assert_kept, images
from spy import K, N, features_and_labels
from test_trainer_recorder import Model, run
from torch import nn

from labelaudit import LabelAuditError, open_history
from labelaudit.callbacks import TorchRecorder, TrainerRecorder


def train(path: Path, epochs: int = 2, *, give: bool = False, **options: Any) -> Any:
    net = Net()
    seen: dict[int, Any] = {}
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    with TorchRecorder(path, **options) as recorder:
        data = recorder.attach(images())
        if not give:
            recorder.watch(net)
        for epoch in range(epochs):
            seen[epoch] = {}
            for x, y in data:
                features, logits = net.logits(x)
                nn.functional.cross_entropy(logits, y).backward()
                recorder.record(logits, y, embeddings=features if give else None)
                optimizer.step()
                optimizer.zero_grad()
                seen[epoch] |= dict(zip(x[:, 0].long().tolist(), features.detach().numpy().copy(), strict=True))
            with torch.no_grad():
                net.logits(torch.zeros(8, 5))  # a look at something else
            recorder.end_epoch()
    return seen


@pytest.mark.parametrize("options", [{"embeddings": "auto"}, {"embeddings": "drop"}, {"give": True}])
def test_a_plain_loop(tmp_path: Path, options: Any) -> None:
    assert_kept(tmp_path / "run", train(tmp_path / "run", **options))
    assert len(list((tmp_path / "run" / "embeddings" / "train").iterdir())) == 1


def test_a_plain_loop_keeps_chosen_epochs(tmp_path: Path) -> None:
    seen = train(tmp_path / "run", 4, embeddings="auto", embedding_epochs=2)
    for epoch in (0, 2):
        assert_kept(tmp_path / "run", seen, epoch=epoch)
    assert len(list((tmp_path / "run" / "embeddings" / "train").iterdir())) == 2


def test_a_plain_loop_says_what_to_type(tmp_path: Path) -> None:
    recorder = TorchRecorder(tmp_path / "run", embeddings="auto")
    with pytest.raises(LabelAuditError, match=r"recorder\.watch\(model\)"):
        recorder.record(torch.zeros(2, K), torch.zeros(2, dtype=torch.long), ids=[0, 1])
    recorder.close(finished=False)
    with pytest.raises(LabelAuditError, match="embeddings='auto'"):
        TorchRecorder(tmp_path / "run").watch(Net())


@pytest.mark.filterwarnings("ignore:.*pin_memory.*:UserWarning")  # the Trainer's default, where there is no GPU
def test_hugging_face(tmp_path: Path) -> None:
    run(tmp_path / "out", TrainerRecorder(tmp_path / "run", embeddings="auto"), model=Model())
    found = open_history(tmp_path / "run").embeddings()
    assert found.sample_ids.tolist() == list(range(N))
    np.testing.assert_allclose(found.vectors, features_and_labels()[0][:, 1:], rtol=1e-3, atol=1e-6)
