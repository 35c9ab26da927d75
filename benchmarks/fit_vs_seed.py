"""`labelaudit fit` beside repeated random splits with a majority vote, at the same network and the same epochs.

    python benchmarks/fit_vs_seed.py                      # Fashion-MNIST, 3,000 pictures, 10 % in a wrong folder
    python benchmarks/fit_vs_seed.py --data digits --images 1797

The other way is that of auto-correct-labels, written anew here: each repeat draws train, validation and test set
(0.64, 0.16, 0.2; not stratified), trains on the first with Adam, keeps the predicted class of every test picture, and
after all repeats calls the most frequent class of a picture its corrected label, with its share of the predictions. A
label counts as called wrong when that class is another one and has at least 60 % (its default). Pictures that were in
no test set get no prediction. Network, epochs, batch size and the course of the learning rate are the same, the loss is
each one's own (there: cross-entropy), and only training, with its predictions, is timed.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import torch
from class_folders import NOISES, given_labels, pictures, write_folders
from torch import nn

import labelaudit
from labelaudit.callbacks.training.small_cnn import SmallCNN
from labelaudit.fitting.config import FitConfig
from labelaudit.fitting.state import read_state

REPEATS = (1, 2, 5, 10)
SENSITIVITY = 60
Row = tuple[float, np.ndarray, np.ndarray]


def votes_of_random_splits(
    images: np.ndarray, given: np.ndarray, n_classes: int, config: FitConfig, repeats: int
) -> tuple[list[float], list[list[list[int]]]]:
    """Return seconds, and every picture's predictions so far, after each repeat."""
    x = torch.from_numpy(images)[:, None].float() / 255
    x, y = (x - x.mean()) / x.std(), torch.from_numpy(given)
    random = np.random.default_rng((1, config.seed))  # not the numbers that drew the wrong labels
    tracker: list[list[int]] = [[] for _ in given]
    seconds, states, total = [], [], 0.0
    for repeat in range(repeats):
        torch.manual_seed(1000 * config.seed + repeat)
        order = torch.from_numpy(random.permutation(len(given)))
        n_test = round(config.test_split * len(given))
        n_val = round(config.val_split * (len(given) - n_test))
        test, train = order[:n_test], order[n_test + n_val :]
        started = time.perf_counter()
        net = SmallCNN(1, n_classes, images.shape[1])
        _train(net, x[train], y[train], config)
        net.eval()
        with torch.no_grad():
            predicted = torch.cat([net(part).argmax(dim=1) for part in x[test].split(500)])
        total += time.perf_counter() - started
        for picture, label in zip(test.tolist(), predicted.tolist(), strict=True):
            tracker[picture].append(label)
        seconds.append(total)
        states.append([list(votes) for votes in tracker])
    return seconds, states


def _train(net: nn.Module, x: torch.Tensor, y: torch.Tensor, config: FitConfig) -> None:
    optimizer = torch.optim.Adam(net.parameters(), lr=config.learning_rate)
    steps = config.num_epochs * -(-len(x) // config.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, config.learning_rate, total_steps=steps, pct_start=0.2)
    for _ in range(config.num_epochs):
        for batch in torch.randperm(len(x)).split(config.batch_size):
            if len(batch) > 1 or len(x) == 1:
                loss = nn.functional.cross_entropy(net(x[batch]), y[batch])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            schedule.step()


def majority(tracker: list[list[int]], given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which labels are called wrong, (n,) bool, and the corrected labels, (n,)."""
    wrong, corrected = np.zeros(len(given), bool), given.copy()
    for i, votes in enumerate(tracker):
        if votes:
            label, count = Counter(votes).most_common(1)[0]
            if label != given[i] and 100 * count / len(votes) >= SENSITIVITY:
                wrong[i], corrected[i] = True, label
    return wrong, corrected


def by_fit(folder: Path, names: list[str], classes: list[str], config: dict[str, object], repeats: int) -> Row:
    """Return seconds of training, which labels are flagged, and the corrected labels, of `labelaudit fit`."""
    results = folder / ("results-2" if repeats == 2 else "results")  # two repeats have two folds, the others five
    found = labelaudit.fit(data_path=folder / "data", results_path=results, n_repeats=repeats, progress=False, **config)
    state = read_state(results)
    assert state is not None
    number = {name: k for k, name in enumerate(classes)}
    table = found.corrections.loc[names]
    corrected = table["corrected_label"].map(number).to_numpy()
    return sum(one.seconds for one in state.repeats.values()), table["is_label_issue"].to_numpy(), corrected


def main() -> None:
    """Run both and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", default="fashion", help="fashion, digits, or an .npz file with X and y")
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--noise", choices=NOISES, default="confusion")
    parser.add_argument("--rate", type=float, default=0.1)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    images, true, classes = pictures(options.data, options.images, options.seed)
    given = given_labels(images, true, options.noise, options.rate, options.seed)
    keys = {"num_epochs": options.epochs, "seed": options.seed}
    print(f"{options.data}, {len(true):,} pictures, {int((given != true).sum()):,} wrong labels ({options.noise})\n")
    print("| way | repeats | training, s | called wrong | found | found per minute | precision | F1 | right label |")
    print("|---|---|---|---|---|---|---|---|---|")
    seconds, states = votes_of_random_splits(images, given, len(classes), FitConfig(**keys), max(REPEATS))
    for repeats in REPEATS:
        flagged, corrected = majority(states[repeats - 1], given)
        _print("random splits, majority", repeats, (seconds[repeats - 1], flagged, corrected), given, true)
    with tempfile.TemporaryDirectory() as name:
        names = write_folders(Path(name) / "data", images, given, classes)
        for repeats in REPEATS:
            row = by_fit(Path(name), names, classes, keys, repeats)
            _print("labelaudit fit", repeats, row, given, true)


def _print(way: str, repeats: int, row: Row, given: np.ndarray, true: np.ndarray) -> None:
    seconds, flagged, corrected = row
    wrong = given != true
    hits = int((wrong & flagged).sum())
    right = int((wrong & flagged & (corrected == true)).sum())
    numbers = [
        f"{seconds:.0f}",
        f"{int(flagged.sum())}",
        f"{hits}",
        f"{hits / seconds * 60:.0f}",
        f"{hits / max(int(flagged.sum()), 1):.3f}",
        f"{2 * hits / max(int(flagged.sum() + wrong.sum()), 1):.3f}",
        f"{right / max(hits, 1):.3f}",
    ]
    print(f"| {way} | {repeats} | " + " | ".join(numbers) + " |", flush=True)


if __name__ == "__main__":
    main()
