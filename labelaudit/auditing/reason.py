"""One sentence per flagged sample: why it is flagged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.embedding.label_votes import LabelVotes

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
READ_BY_REASONS = ("confidence", "correctness", "n_epochs", "forgetting_events")


def reasons(
    given: Sequence[Any], suggested: Sequence[Any], unclear: Sequence[Any], columns: Mapping[str, Array]
) -> list[str]:
    """Return a sentence for each of m flagged samples.

    Args:
        given: (m,) names of the given labels.
        suggested: (m,) names of the suggested labels, None where there is none.
        unclear: (m,) where there is none: the likeliest other label, None if the given one is likelier than it.
        columns: the statistics READ_BY_REASONS, (m,) each.
    """
    confidence, correctness, epochs, forgotten = (columns[name] for name in READ_BY_REASONS)
    right = np.rint(correctness * epochs).astype(np.int64)
    numbers = (column.tolist() for column in (confidence, right, epochs, forgotten))
    says = [_other_label(*labels) for labels in zip(suggested, unclear, strict=True)]
    return [_sentence(*of_sample) for of_sample in zip(given, says, *numbers, strict=True)]


def _other_label(suggested: Any, unclear: Any) -> str:
    if suggested is not None:
        return f"the model says {suggested}"
    return "no other class is likelier" if unclear is None else f"perhaps {unclear}, but no one class stands out"


def _sentence(given: Any, says: str, confidence: float, right: int, epochs: int, forgotten: int) -> str:
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
    return f"{what}; {says}."


def said_by_look_alikes(
    votes: LabelVotes, rows: Array, labels: Array, names: Sequence[str] | None, ids: pd.Index[Any]
) -> list[str]:
    """Return a sentence on the look-alikes of each of m samples, with a space before it; "" where there are none.

    Args:
        votes: of all n samples.
        rows: (m,) the samples.
        labels: (n,) given labels.
        names: of the classes, or None.
        ids: of all samples.
    """
    found = []
    counted = np.where(votes.weights[rows] > 0, votes.labels[rows], -1)
    copies = np.where(votes.nearest[rows] == 0, votes.conflict[rows], -1)
    for given, of_row, copy in zip(labels[rows].tolist(), counted, copies.tolist(), strict=True):
        classes, counts = np.unique(of_row[of_row >= 0], return_counts=True)
        said = ""
        if len(classes):
            most = int(classes[counts.argmax()])
            own = int(counts[classes == given].sum())
            said = f" Of {counts.sum()} look-alikes {counts.max()} carry the label {_name(most, names)}"
            said += "." if most == given else f", {own or 'none'} the label {_name(given, names)}."
        if copy >= 0:
            said += f" Sample {ids[copy]} has the same features and the label {_name(int(labels[copy]), names)}."
        found.append(said)
    return found


def _name(label: int, names: Sequence[str] | None) -> Any:
    return label if names is None else names[label]
