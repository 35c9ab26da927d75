"""What recording costs a training step, beside what people do today.

    OMP_NUM_THREADS=1 python benchmarks/recorder_overhead.py [--rounds 15] [--steps 120] [--embeddings]

Every round trains each way once, in changing order, in one process: other work on the machine hits all of them alike.
A round's ratio is its time per step by the time per step without recording in the same round; the table has medians
over rounds. "main CPU" is what the training thread itself computes per step (time.thread_time), which other work does
not change, less what it computes without recording. Set-up and end of epoch are listed apart: they are paid once.

With --embeddings the table has the recorder with and without embeddings="auto" instead: the input of the last layer,
256 or 1,536 numbers a sample.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import tempfile
import time
import warnings
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from labelaudit.callbacks import PredictionRecorder

BATCH, FEATURES, WARM_UP = 128, 256, 10
WIDTHS = {"small": 256, "large": 1536}  # of two hidden layers: a step of about 3 ms, one above 25 ms


class Net(pl.LightningModule):
    """A network that records nothing."""

    def __init__(self, width: int, classes: int, samples: int) -> None:
        super().__init__()
        layers = [nn.Linear(FEATURES, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, classes)]
        self.net = nn.Sequential(*layers)

    def training_step(self, batch: Any, batch_idx: int) -> Tensor:
        """Return the loss."""
        logits = self.net(batch[0])
        self.remember(logits, batch)
        return nn.functional.cross_entropy(logits, batch[1])

    def remember(self, logits: Tensor, batch: Any) -> None:
        """Nothing here; what the other ways do with a step's logits."""

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """Plain SGD."""
        return torch.optim.SGD(self.parameters(), lr=0.01)


class DictOfLists(Net):
    """InterpretDL's way: per sample a list of (label, probabilities)."""

    def remember(self, logits: Tensor, batch: Any) -> None:
        """Add to the lists."""
        history = self.__dict__.setdefault("history", defaultdict(list))
        probabilities = logits.detach().softmax(-1).tolist()
        for i, label, row in zip(batch[2], batch[1], probabilities, strict=True):
            history[i.item()].append((label.item(), row))


class SoftmaxList(Net):
    """dataset-cartography's way: lists of ids and of softmax rows, joined at the end of the epoch."""

    def remember(self, logits: Tensor, batch: Any) -> None:
        """Add to the lists."""
        history = self.__dict__.setdefault("history", [])
        history.append((batch[2].tolist(), batch[1].tolist(), nn.functional.softmax(logits.detach(), -1).cpu().numpy()))


class EpochBuffer(Net):
    """Each batch is reduced and written into arrays of the epoch."""

    def __init__(self, width: int, classes: int, samples: int) -> None:
        super().__init__(width, classes, samples)
        self.rows = np.zeros((4, samples), np.float16)

    def remember(self, logits: Tensor, batch: Any) -> None:
        """Reduce and write the batch."""
        ids, z = batch[2].numpy(), logits.detach().log_softmax(-1)
        given = z.gather(1, batch[1][:, None])[:, 0]
        other = z.scatter(1, batch[1][:, None], -torch.inf).max(-1)
        entropy = -(z.exp() * z).sum(-1)
        for row, column in zip(self.rows, (given, other.values, other.indices, entropy), strict=True):
            row[ids] = column.cpu().numpy()


class Numbered(Dataset[Any]):
    """What people add to their dataset so that its batches say which samples they hold."""

    def __init__(self, dataset: TensorDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, i: int) -> Any:
        return *self.dataset[i], i


class Clock(pl.Callback):
    """Time and CPU time of the training thread at the end of every step."""

    def __init__(self) -> None:
        self.at: list[tuple[float, float]] = [(time.perf_counter(), time.thread_time())]

    def on_train_batch_end(self, *args: Any) -> None:
        """Look at both clocks."""
        self.at.append((time.perf_counter(), time.thread_time()))


def train(net: type[Net], size: str, classes: int, steps: int, *callbacks: Any) -> dict[str, float]:
    """One epoch: medians of seconds and CPU seconds per steady step, seconds of the first step and of the last."""
    torch.manual_seed(0)
    n = BATCH * steps
    data: Any = TensorDataset(torch.randn(n, FEATURES), torch.randint(0, classes, (n,)))
    loader = DataLoader(data if net is Net else Numbered(data), batch_size=BATCH, shuffle=True)
    clock = Clock()
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    trainer = pl.Trainer(
        max_epochs=1, accelerator="cpu", enable_checkpointing=False, callbacks=[*callbacks, clock], **quiet
    )
    trainer.fit(net(WIDTHS[size], classes, n), loader)
    took = np.diff(np.asarray(clock.at), axis=0)  # (steps, 2)
    steady = took[WARM_UP:-1]
    return {
        "step": float(np.median(steady[:, 0])),
        "cpu": float(np.median(steady[:, 1])),
        "set-up": float(took[0, 0]),
        "last": float(took[-1, 0]),
    }


def run(size: str, classes: int, rounds: int, steps: int, embeddings: bool) -> None:
    """Train all ways in turn and print a line for each."""

    def recorded(path: Path, **options: Any) -> dict[str, float]:
        return train(Net, size, classes, steps, PredictionRecorder(path, **options))

    ways: dict[str, Callable[[Path], dict[str, float]]] = {
        "without": lambda _: train(Net, size, classes, steps),
        "without, once more": lambda _: train(Net, size, classes, steps),
        "PredictionRecorder": recorded,
    }
    if embeddings:
        ways[f"and its embeddings of {WIDTHS[size]:,}"] = lambda path: recorded(path, embeddings="auto")
    else:
        ways["dict of lists"] = lambda _: train(DictOfLists, size, classes, steps)
        ways["list of softmax"] = lambda _: train(SoftmaxList, size, classes, steps)
        ways["epoch buffer"] = lambda _: train(EpochBuffer, size, classes, steps)
    seen: dict[str, list[dict[str, float]]] = defaultdict(list)
    names = list(ways)
    for number in range(rounds + 1):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            with tempfile.TemporaryDirectory() as folder:
                measured = ways[name](Path(folder) / "run")
            if number:  # the first round loads code and fills caches
                seen[name].append(measured)
    base = seen["without"]

    def median(name: str, key: str, less: bool = False) -> float:
        pairs = zip(seen[name], base, strict=True)
        return statistics.median(one[key] - without[key] if less else one[key] / without[key] for one, without in pairs)

    step_ms = statistics.median(one["step"] for one in base) * 1e3
    print(f"\n{classes:,} classes, step of {step_ms:.1f} ms, {rounds} rounds of {steps} steps")
    print("| way | step time, ratio | main CPU, us per step | set-up, ms | end of epoch, ms |\n|---|---|---|---|---|")
    for name in names[1:]:
        extra = [median(name, "cpu", True) * 1e6, median(name, "set-up", True) * 1e3, median(name, "last", True) * 1e3]
        print(
            f"| {name} | {median(name, 'step'):.3f} | {extra[0]:+.0f} | {extra[1]:+.0f} | {extra[2]:+.1f} |", flush=True
        )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--size", choices=WIDTHS, action="append")
    parser.add_argument("--classes", type=int, action="append")
    parser.add_argument("--embeddings", action="store_true", help="what recording embeddings costs")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    for size in options.size or WIDTHS:
        for classes in options.classes or (10, 1000):
            run(size, classes, options.rounds, options.steps, options.embeddings)


if __name__ == "__main__":
    main()
