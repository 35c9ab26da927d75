"""One sentence per flagged sample: why it is flagged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
READ_BY_REASONS = ("confidence", "correctness", "n_epochs", "forgetting_events")


def reasons(given: Sequence[Any], suggested: Sequence[Any], columns: Mapping[str, Array]) -> list[str]:
    """Return a sentence for each of m flagged samples.

    Args:
        given: (m,) names of the given labels.
        suggested: (m,) names of the suggested labels, None where there is none.
        columns: the statistics READ_BY_REASONS, (m,) each.
    """
    confidence, correctness, epochs, forgotten = (columns[name] for name in READ_BY_REASONS)
    right = np.rint(correctness * epochs).astype(np.int64)
    numbers = (column.tolist() for column in (confidence, right, epochs, forgotten))
    return [_sentence(*of_sample) for of_sample in zip(given, suggested, *numbers, strict=True)]


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
