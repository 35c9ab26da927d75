"""How long a report takes to make and to open, and how large it is.

Random predictions of a model that learns, 10 classes, 30 epochs; 2,000 thumbnails are made from JPEG photos of
500 x 375 pixels. Opening needs Debian's chromium and playwright; without them only making it is measured.

    python benchmarks/report_scale.py                     # 100,000 samples
    python benchmarks/report_scale.py --samples 1000000
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import labelaudit

CLASSES, EPOCHS, PHOTOS = 10, 30, 100


def record(folder: Path, n: int) -> Path:
    """Write a history of n samples, one in twenty with a wrong label."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, CLASSES, n)
    given, planted = labelaudit.plant_mistakes(true, 0.05, seed=1)
    gain = (6 * (1 - 0.9 * rng.random(n))).astype(np.float32)
    with labelaudit.Recorder(folder / "run", n_samples=n, planted=planted) as recorder:
        for epoch in range(EPOCHS):
            scores = rng.standard_normal((n, CLASSES), dtype=np.float32)
            scores[np.arange(n), true] += gain * min(1, (epoch + 2) / 10)
            recorder.record(np.arange(n), scores, given)
            recorder.end_epoch()
    return folder / "run"


def photos(folder: Path) -> list[Path]:
    """Write some photos: smooth noise, about as large as real ones."""
    rng = np.random.default_rng(0)
    paths = [folder / f"{i}.jpg" for i in range(PHOTOS)]
    for path in paths:
        small = Image.fromarray(rng.integers(0, 255, (75, 100, 3), dtype=np.uint8))
        small.resize((500, 375), Image.Resampling.BICUBIC).save(path, quality=90)
    return paths


def open_in_browser(path: Path) -> str:
    """Return the seconds to the first paint, and until everything answers."""
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        started = time.perf_counter()
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        ready = time.perf_counter() - started
        paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime") / 1000
        browser.close()
    return f"first paint {paint:.2f} s, ready {ready:.2f} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100_000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run, pictures = record(folder, arguments.samples), photos(folder)
        started = time.perf_counter()
        audit = labelaudit.audit(run)
        audited = time.perf_counter()
        report = audit.to_html(folder / "report.html", images=lambda sample: pictures[sample % PHOTOS])
        made = time.perf_counter()
        print(
            f"{arguments.samples:,} samples, {EPOCHS} epochs: audit {audited - started:.1f} s, "
            f"report {made - audited:.1f} s, {report.size / 1e6:.1f} MB, {report.n_cards:,} cards"
        )
        if shutil.which("chromium"):
            print(open_in_browser(folder / "report.html"))


if __name__ == "__main__":
    main()
