"""The table of corrections: the columns of auto-correct-labels first, then what the audit adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.auditing import Audit
from labelaudit.fitting.out_of_sample import OutOfSample

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]


def asked_classes(audit: Audit) -> Array:
    """Return the label that each image should have, (n,) class numbers: the suggestion where it is flagged."""
    given, suggested = audit.codes("given_label"), audit.codes("suggested_label")
    flagged = audit.samples["is_label_issue"].to_numpy()
    found: Array = np.where(flagged & (suggested >= 0), suggested, given)
    return found


def corrections_table(audit: Audit, out: OutOfSample, sensitivity: float) -> pd.DataFrame:
    """Return one row per image, index filename, in the order of the images.

    Args:
        audit: of all repeats.
        out: what models that never saw an image said of it.
        sensitivity: smallest suggestion_confidence of what `labelaudit relabel` applies.

    Returns:
        Columns ``label``, ``corrected_label`` (the same where nothing is wrong), ``num_preds`` (how many models that
        never saw the image predicted it) and ``%`` (how many in a hundred of them said the corrected label); then
        ``%_low`` (lower end of that share's 95 % interval), ``voted_label`` (their majority),
        ``corrected_probability`` and ``label_probability`` (their mean probabilities), ``label_quality`` (0..1, low is
        suspicious), ``is_label_issue``, ``suggestion_confidence``, ``relabel`` (sure enough to be applied), ``reason``.
    """
    import pandas as pd

    samples, names = audit.samples, np.array([*(audit.class_names or ()), None], dtype=object)
    confidence = samples["suggestion_confidence"].to_numpy()
    changed = out.asked != audit.codes("given_label")
    voted, _ = out.most_voted()
    return pd.DataFrame(
        {
            "label": samples["given_label"].to_numpy(),
            "corrected_label": names[out.asked],
            "num_preds": out.num_preds,
            "%": np.round(100 * out.share(), 2),
            "%_low": np.round(100 * out.lowest_share(), 2),
            "voted_label": names[voted],
            "corrected_probability": out.probabilities[:, 0],
            "label_probability": out.probabilities[:, 1],
            "label_quality": samples["label_quality"].to_numpy(),
            "is_label_issue": samples["is_label_issue"].to_numpy(),
            "suggestion_confidence": confidence,
            "relabel": changed & (np.nan_to_num(confidence) >= sensitivity),
            "reason": samples["reason"].to_numpy(),
        },
        index=pd.Index([str(one) for one in samples.index], name="filename"),
    )
