"""One sentence per flagged box: why it is flagged."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def reasons(
    issue: Array, given: Sequence[Any], suggested: Sequence[Any], iou: Array, epochs: int, special: Sequence[str]
) -> list[str]:
    """Return a sentence for each of n boxes, "" where nothing is flagged.

    Args:
        issue: (n,) 0 class, 1 location, 2 spurious, -1 none.
        given: (n,) names of the given classes.
        suggested: (n,) names of the suggested classes, None where there is none.
        iou: (n,) IoU of the given box with the median of the boxes drawn there, NaN where there is none.
        epochs: number of epochs.
        special: (n,) a sentence that goes before all others, "" for none.
    """
    over = f"over {epochs} epochs" if epochs > 1 else "in the one epoch"
    found = list(special)
    for row in np.flatnonzero(issue >= 0).tolist():
        if found[row]:
            continue
        if issue[row] == 0:
            other = f"as {suggested[row]}" if suggested[row] is not None else "as other classes"
            found[row] = f"Labelled {given[row]}, but detected {other} {over}."
        elif issue[row] == 1:
            where = "" if np.isnan(iou[row]) else f" (IoU {iou[row]:.2f} with the given one)"
            found[row] = f"The detector draws {given[row]} in another place {over}{where}."
        else:
            found[row] = f"The detector finds no object here {over}, less than is usual for such a {given[row]}."
    return found
