"""The benchmarks that CI runs on a subset: they must run, and print what they say."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from labelaudit.auditing.clues import COLUMNS

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


def run(script: str, *arguments: str) -> str:
    """Run a benchmark and return what it printed."""
    done = subprocess.run(
        [sys.executable, BENCHMARKS / script, *arguments], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.external
def test_seed_forgetting_on_a_subset() -> None:
    """Needs Debian's package dataset-fashion-mnist."""
    printed = run("seed_forgetting.py", "--samples", "6000", "--epochs", "6")
    ours = re.search(r"labelaudit: Fashion-MNIST, CNN, 6 epochs +([\d.]+) +([\d.]+) +([\d.]+)", printed)
    assert ours is not None
    assert float(ours[3]) > 0.29  # measured 0.384; two Gaussians on AUM reach 0.29 on 60,000 digits


@pytest.mark.external
def test_convolutional_networks_on_few_pictures() -> None:
    """Needs Debian's package dataset-fashion-mnist."""
    printed = run("picture_trainings.py", "--samples", "600", "--epochs", "6", "61")
    rows = re.findall(r"^(?:.* epochs)? +symmetric 40% +([\d.]+) +([\d.]+)", printed, re.MULTILINE)
    assert len(rows) == 3
    for ours, of_margins in rows:
        assert float(ours) > max(0.75, float(of_margins) - 0.05)


def test_half_precision_changes_little() -> None:
    printed = run("half_precision.py")
    row = re.search(r"\| confidence \| (\S+) \| (\S+) \|", printed)
    assert row is not None
    assert max(float(row[1]), float(row[2])) < 1e-3


@pytest.mark.external
def test_a_report_of_100_000_samples() -> None:
    """Needs Debian's chromium."""
    printed = run("report_scale.py")
    made = re.search(r"report ([\d.]+) s, ([\d.]+) MB", printed)
    paint = re.search(r"first paint ([\d.]+) s, ready ([\d.]+) s", printed)
    assert made is not None
    assert paint is not None
    assert float(made[1]) < 20
    assert float(made[2]) < 30
    assert float(paint[1]) < 3
    assert float(paint[2]) < 5


@pytest.mark.slow
def test_detection_quality_on_digits(tmp_path: Path) -> None:
    arguments = ("--quick", "--rows", "--methods", "--ablation", "--folder", str(tmp_path), "--jobs", "1")
    printed = run("detection_quality.py", *arguments)
    row = re.search(r"\| symmetric 10% \| ([\d.]+) \|", printed)
    assert row is not None
    assert float(row[1]) > 0.8
    assert re.search(r"\| digits \| pair 20% \|", printed)
    assert re.search(r"\| cleanlab prune_by_noise_rate, 5-fold, last epoch \| 6 \|", printed)
    assert re.search(r"\| labelaudit, no experience at all \| [\d.]+ \|", printed)
    assert re.search(r"\| labelaudit, with look-alikes by the network's last features \| [\d.]+ \|", printed)
    assert (tmp_path / "results.parquet").exists()
    assert run("detection_quality.py", *arguments) == printed  # from what the first run kept


@pytest.mark.slow
def test_analysis_speed_on_few_rows() -> None:
    printed = run("analysis_speed.py", "--rows", "5000", "--repeat", "1")
    for name in ("floor: read and sum", "labelaudit.audit, all columns", "pandas groupby", "Toneva's pickled dict"):
        row = re.search(rf"\| {re.escape(name)} \| ([\d.]+) \|", printed)
        assert row is not None, printed
        assert float(row[1]) > 0


def test_neighbours_of_few_vectors() -> None:
    printed = run("neighbours.py", "--exact", "--samples", "2000")
    row = re.search(r"\| labelaudit, exact \| 2,000 x 512 \| search ([\d.]+), CPU [\d.]+ \| 1\.0000 \|", printed)
    assert row is not None
    assert float(row[1]) < 20


@pytest.mark.external
def test_planted_duplicates_in_few_pictures() -> None:
    """Needs Debian's package dataset-fashion-mnist."""
    printed = run("duplicates.py", "--samples", "1000")
    for name in ("all pairs", "label conflicts", "find_duplicates"):
        assert re.search(rf"\| {name}, against [^|]+ \| [\d,]+ \| 1\.0000 \| 1\.0000 \|", printed), printed
    planted = re.search(r"\| exact copies, against those planted \| 20 \| [\d.]+ \| 1\.0000 \|", printed)
    assert planted, printed


@pytest.mark.slow
def test_fit_on_class_folders_of_digits() -> None:
    printed = run("fit_fashion_mnist.py", "--data", "digits", "--images", "600", "--keys", "batch_size=16")
    figures = [float(cell) for cell in printed.splitlines()[-1].strip("| ").split(" | ")]
    header = printed.splitlines()[0].strip("| ").split(" | ")
    row = dict(zip(header, figures, strict=True))
    assert row["F1"] > 0.8
    assert row["labels right before"] == 0.9
    assert row["after"] > 0.9


@pytest.mark.slow
def test_fit_beside_majority_votes_on_few_digits() -> None:
    printed = run("fit_vs_seed.py", "--data", "digits", "--images", "300", "--epochs", "2")
    rows = [line.strip("| ").split(" | ") for line in printed.splitlines() if line.startswith(("| rand", "| label"))]
    assert [(way, int(repeats)) for way, repeats, *_ in rows] == [
        (way, repeats) for way in ("random splits, majority", "labelaudit fit") for repeats in (1, 2, 5, 10)
    ]


def test_the_cache_of_fit_is_read_faster_than_files() -> None:
    printed = run("fit_loader.py", "--images", "300")
    times = re.search(r"fast_loader is ([\d.]+) times as fast", printed)
    assert times is not None
    assert float(times[1]) > 1.5  # 3 and more with 6,000 images on a quiet machine


def test_fitted_networks_say_as_numbers_what_they_say_in_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    fit_networks = importlib.import_module("fit_networks")
    n_of_set = len(COLUMNS) - fit_networks.S
    torch.manual_seed(0)
    networks = [fit_networks.SetNetwork(n_of_set, 0.25).eval() for _ in range(2)]
    rng = np.random.default_rng(0)
    mean, deviation = rng.normal(size=len(COLUMNS)), rng.uniform(1, 2, len(COLUMNS))
    rows = 3 * rng.normal(size=(50, len(COLUMNS)))
    rows[:, fit_networks.S :] = rows[0, fit_networks.S :]
    scaled = torch.from_numpy(((rows - mean) / deviation).clip(-6, 6).astype(np.float32))[None]
    given, other = classes = rng.integers(0, (5, 7), (50, 2)).T
    batch = fit_networks.Batch(
        scaled[..., : fit_networks.S],
        scaled[:, 0, fit_networks.S :],
        *torch.from_numpy(classes)[:, None],
        torch.ones(1, 50),
    )
    expected = np.mean([network(batch).detach().numpy()[0] for network in networks], axis=0)
    numbers = fit_networks.as_numbers(networks, mean, deviation)
    found = numbers.predict(list(rows[:, : fit_networks.S].T), rows[0, fit_networks.S :].tolist(), given, other)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert found.std() > 1e-3


def test_samples_that_fill_up_a_batch_count_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    fit_networks = importlib.import_module("fit_networks")
    torch.manual_seed(0)
    network = fit_networks.SetNetwork(3, 0.25).eval()
    of_samples, of_set = torch.randn(2, 40, fit_networks.S), torch.randn(2, 3)
    given, other = torch.randint(0, 4, (2, 2, 40))
    real = torch.ones(2, 40)
    real[1, 25:] = 0
    found = network(fit_networks.Batch(of_samples, of_set, given, other, real))
    for one, count in ((0, 40), (1, 25)):
        parts = (part[one : one + 1, :count] for part in (given, other, real))
        alone = network(fit_networks.Batch(of_samples[one : one + 1, :count], of_set[one : one + 1], *parts))
        torch.testing.assert_close(found[one : one + 1, :count], alone, atol=1e-5, rtol=1e-5)
