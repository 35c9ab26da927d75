"""One sentence per flagged sample: why it is flagged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
READ_BY_REASONS = ("confidence", "correctness", "n_epochs", "forgetting_events")


def reasons(flagged: Array, given: Array, suggested: Array, columns: Mapping[str, Array]) -> Array:
    """Return (n,) sentences, empty where a sample is not flagged.

    Args:
        flagged: (n,) bool.
        given: (n,) names of the given labels.
        suggested: (n,) names of the suggested labels, missing where there is none.
        columns: the statistics READ_BY_REASONS, (n,) each.
    """
    import pandas as pd

    sentences = np.full(len(flagged), "", dtype=object)
    none = pd.isna(suggested)
    for row in np.flatnonzero(flagged):
        sentences[row] = _sentence(
            given[row],
            None if none[row] else suggested[row],
            float(columns["confidence"][row]),
            round(float(columns["correctness"][row]) * int(columns["n_epochs"][row])),
            int(columns["n_epochs"][row]),
            int(columns["forgetting_events"][row]),
        )
    return sentences


def _sentence(given: Any, suggested: Any, confidence: float, right: int, epochs: int, forgotten: int) -> str:
    if epochs == 1:
        learned = "is predicted" if right else "is not predicted"
        what = f"The given label {given} {learned} (probability {confidence:.2f})"
    elif right == 0:
        what = f"The given label {given} was predicted in none of {epochs} epochs (mean probability {confidence:.2f})"
    else:
        what = (
            f"The given label {given} was predicted in {right} of {epochs} epochs (mean probability {confidence:.2f})"
        )
        if forgotten:
            what += f" and forgotten {forgotten} time{'s' if forgotten > 1 else ''}"
    return what + (f"; the model says {suggested}." if suggested is not None else "; no other class is likelier.")
