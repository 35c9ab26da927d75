"""Width and height of the audited pictures, for exports whose boxes are relative to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError


def recorded_sizes(found: Any) -> npt.NDArray[Any]:
    """Return (images, 2) width and height as far as the audit knows them, in the order of ``samples``; else NaN."""
    samples = found.samples
    if "width" not in samples:
        return np.full((len(samples), 2), np.nan)
    return samples[["width", "height"]].to_numpy(np.float64)


def sizes_of(found: Any, given: Any) -> npt.NDArray[Any]:
    """Return (images, 2) width and height in pixels, in the order of ``samples``.

    Args:
        found: the detection audit.
        given: (images, 2), or a mapping or function from the image id to both; None: those that were recorded.

    Raises:
        LabelAuditError: a size is unknown.
    """
    ids = found.samples.index.tolist()
    if given is None:
        given = recorded_sizes(found)
    elif isinstance(given, Mapping) or callable(given):
        of = given.get if isinstance(given, Mapping) else given
        given = [of(one) or (np.nan, np.nan) for one in ids]
    sizes = np.asarray(given, np.float64)
    if sizes.shape != (len(ids), 2):
        raise LabelAuditError(f"sizes= has shape {sizes.shape}; expected ({len(ids)}, 2): width and height per image")
    unknown = ~(sizes > 0).all(axis=1)
    if unknown.any():
        first = ids[int(unknown.argmax())]
        raise LabelAuditError(
            f"the size of {int(unknown.sum()):,} of {len(ids):,} images is unknown (first: {first}), and these boxes"
            " are relative to it; pass sizes= with width and height in pixels"
        )
    return sizes
