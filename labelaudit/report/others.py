"""The samples that get no card of their own, small enough that a search by id finds every one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.report.charts import base64_of
from labelaudit.report.source import texts_of

if TYPE_CHECKING:
    from labelaudit.auditing.result import Audit

Array = npt.NDArray[Any]
MAX_CHARACTERS = 4_000_000  # of all ids together
NO_CLASS = 65_535
STEPS = 10_000  # label_quality and confidence are rounded to ten-thousandths


def others_of(audit: Audit, shown: Array) -> dict[str, Any] | None:
    """Return ids, labels and label_quality of the samples not shown; None where there are none or too many.

    Returns:
        ``ids``; ``names`` of the classes; base64 of little-endian uint16 ``given``, ``suggested`` (65535 for none),
        ``quality`` and ``confidence`` (of the suggestion, ten-thousandths).
    """
    rest = np.ones(len(audit.samples), bool)
    rest[shown] = False
    ids = texts_of(audit.samples.index[rest].to_numpy())
    names = audit.class_names or [str(label) for label in audit.noise_matrix.index]
    if not ids or len(names) >= NO_CLASS or sum(map(len, ids)) > MAX_CHARACTERS:
        return None
    table = audit.samples[rest]
    suggested = audit.codes("suggested_label")[rest]
    return {
        "ids": ids,
        "names": names,
        "given": _packed(audit.codes("given_label")[rest]),
        "suggested": _packed(np.where(suggested < 0, NO_CLASS, suggested)),
        "quality": _packed(table["label_quality"].to_numpy(np.float64) * STEPS),
        "confidence": _packed(table["suggestion_confidence"].to_numpy(np.float64, na_value=0) * STEPS),
    }


def _packed(values: Array) -> str:
    return base64_of(np.round(np.nan_to_num(values)).astype("<u2"))
