"""The numbers behind the charts, against plain counting."""

from __future__ import annotations

import base64

import numpy as np
import pandas as pd

import labelaudit
from labelaudit.report import charts


def test_the_map_counts_every_sample_once(audit: labelaudit.Audit) -> None:
    found = charts.data_map(audit.samples)
    keys = np.frombuffer(base64.b64decode(found["keys"]), "<u4")
    counts = np.frombuffer(base64.b64decode(found["counts"]), "<u2")
    assert counts.sum() == len(audit.samples)
    assert counts[keys % 2 == 1].sum() == audit.summary["n_flagged"]
    for i, name in enumerate(charts.REGIONS):
        assert counts[keys // 2 % 3 == i].sum() == (audit.samples["region"] == name).sum()
    row, column = np.divmod(keys // 6, found["width"])
    worst = audit.samples["label_quality"].argmin()
    at = audit.samples.iloc[worst]
    assert int(at["confidence"] * found["height"]) in row
    assert int(at["variability"] / found["max_x"] * found["width"]) in column


def test_the_map_stands_extremes_and_missing_values() -> None:
    samples = pd.DataFrame(
        {
            "confidence": [0.0, 1.0, np.nan],
            "variability": [0.0, 0.5, np.nan],
            "region": pd.Categorical(["easy", "hard", None], charts.REGIONS),
            "is_label_issue": [False, True, False],
        }
    )
    samples["region"] = samples["region"].fillna("ambiguous")
    counts = np.frombuffer(base64.b64decode(charts.data_map(samples)["counts"]), "<u2")
    assert counts.sum() == 3


def test_the_matrix_of_many_classes_keeps_the_worst() -> None:
    values = np.eye(40)
    values[7, 7], values[7, 31] = 0.6, 0.4
    found = charts.noise_matrix(pd.DataFrame(values), 15)
    assert len(found["names"]) == 15
    assert found["left_out"] == 25
    assert found["values"][found["names"].index("7")][found["names"].index("31")] == 0.4


def test_histograms(audit: labelaudit.Audit) -> None:
    quality = audit.samples["label_quality"].to_numpy()
    bins = charts.quality_histogram(quality, 10)
    assert bins == [int(((quality >= i / 10) & (quality < (i + 1) / 10)).sum()) for i in range(10)]
    forgotten = charts.forgetting_histogram(audit.samples, 1)
    events = audit.samples["forgetting_events"].to_numpy(int)
    flagged = audit.samples["is_label_issue"].to_numpy(bool)
    assert forgotten["flagged"][0] == int((events[flagged] == 0).sum())
    assert sum(forgotten["clean"]) == int((~flagged).sum())
    assert forgotten["labels"] == (["0", "1+"] if events.max() > 1 else ["0", "1"][: events.max() + 1])
