"""What storing half precision changes in every statistic: the largest difference to double precision.

python benchmarks/half_precision.py
"""

from __future__ import annotations

import tempfile

import numpy as np

import labelaudit


def main() -> None:
    """Record the same scores in half precision, as scores and as summaries, and compare."""
    n, k, epochs = 20_000, 10, 10
    rng = np.random.default_rng(0)
    labels = rng.integers(0, k, n)
    scores = rng.normal(size=(epochs, n, k)) * 3
    scores[:, np.arange(n), labels] += 3
    exact = labelaudit.audit(labelaudit.history_from_arrays(scores, labels)).samples
    stored = {}
    for keep in ("scores", "summary"):
        folder = tempfile.mkdtemp()
        with labelaudit.Recorder(folder, keep=keep, n_samples=n) as recorder:
            for of_epoch in scores:
                recorder.record(np.arange(n), of_epoch, labels)
                recorder.end_epoch()
        stored[keep] = labelaudit.audit(folder).samples
    print("| statistic | scores | summary |\n|---|---|---|")
    for name in exact.select_dtypes("number"):
        if name in ("given_label", "predicted_label", "suggested_label"):
            continue
        row = [np.nanmax(np.abs(of[name].astype(float) - exact[name].astype(float))) for of in stored.values()]
        print(f"| {name} | {row[0]:.1e} | {row[1]:.1e} |")


if __name__ == "__main__":
    main()
