"""The numbers behind the report's charts: small whatever the number of samples."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.report.curves import Curves, binned
from labelaudit.report.records import rounded

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
MAP_WIDTH, MAP_HEIGHT = 400, 250  # cells of the data map
MAX_VARIABILITY = 0.5  # the largest standard deviation of numbers in [0, 1]
REGIONS = ("easy", "ambiguous", "hard")
MATRIX_CLASSES = 15
QUALITY_BINS = 50
MOST_FORGETTING = 10


def data_map(samples: pd.DataFrame) -> dict[str, Any]:
    """Return the data map of all samples as counts per cell, region and flag.

    Returns:
        ``keys``: base64 of little-endian uint32, (cell * 3 + region) * 2 + flagged, cells row by row from the
        bottom left; ``counts``: base64 of uint16 (at most 65,535).
    """
    import pandas as pd

    column = _cell(samples["variability"].to_numpy(np.float64) / MAX_VARIABILITY, MAP_WIDTH)
    row = _cell(samples["confidence"].to_numpy(np.float64), MAP_HEIGHT)
    region = np.maximum(pd.Index(REGIONS).get_indexer(samples["region"].astype(object)), 0)
    flagged = samples["is_label_issue"].to_numpy(np.int64)
    keys, counts = np.unique(((row * MAP_WIDTH + column) * 3 + region) * 2 + flagged, return_counts=True)
    return {
        "width": MAP_WIDTH,
        "height": MAP_HEIGHT,
        "max_x": MAX_VARIABILITY,
        "keys": base64_of(keys.astype("<u4")),
        "counts": base64_of(np.minimum(counts, 65_535).astype("<u2")),
    }


def _cell(share: Array, cells: int) -> Array:
    return np.clip(np.nan_to_num(share) * cells, 0, cells - 1).astype(np.int64)


def base64_of(array: Array) -> str:
    """Return an array's bytes as base64."""
    return base64.b64encode(array.tobytes()).decode()


def noise_matrix(matrix: pd.DataFrame, most: int = MATRIX_CLASSES) -> dict[str, Any]:
    """Return the noise matrix of at most ``most`` classes: those that lose or take most."""
    values = matrix.to_numpy(np.float64)
    names = [str(name) for name in matrix.index]
    off = values * (1 - np.eye(len(values)))
    kept = np.arange(len(names))
    if len(names) > most:
        worst = np.argsort(-np.maximum(off.max(axis=0), off.max(axis=1)), kind="stable")
        kept = np.sort(worst[:most])
    return {
        "names": [names[i] for i in kept],
        "values": rounded(values[np.ix_(kept, kept)], 4),
        "left_out": len(names) - len(kept),
    }


def quality_histogram(quality: Array, bins: int = QUALITY_BINS) -> list[int]:
    """Return how many samples have which label_quality, in equal bins from 0 to 1."""
    return np.histogram(quality, bins, (0, 1))[0].tolist()


def forgetting_histogram(samples: pd.DataFrame, most: int = MOST_FORGETTING) -> dict[str, Any]:
    """Return how often flagged and other samples were forgotten: counts by number of events, the last is "or more"."""
    events = samples["forgetting_events"].fillna(0).to_numpy(np.int64)
    flagged = samples["is_label_issue"].to_numpy(bool)
    top = min(int(events.max(initial=0)), most)
    capped = np.minimum(events, top)
    labels = [str(i) for i in range(top + 1)]
    if events.max(initial=0) > top:
        labels[-1] += "+"
    return {
        "labels": labels,
        "flagged": np.bincount(capped[flagged], minlength=top + 1).tolist(),
        "clean": np.bincount(capped[~flagged], minlength=top + 1).tolist(),
    }


def learning_curves(curves: Curves) -> dict[str, Any]:
    """Return the mean probability of the given label by epoch, of flagged and of other samples."""
    return {
        "epochs": np.round(binned(curves.epochs.astype(float))).astype(int).tolist(),
        "flagged": rounded(binned(curves.flagged_mean), 4),
        "clean": rounded(binned(curves.clean_mean), 4),
    }
