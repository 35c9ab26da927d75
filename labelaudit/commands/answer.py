"""What ``--json`` prints."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def as_json(facts: Mapping[str, Any]) -> str:
    """Return facts as one JSON object; numbers that are NaN or infinite, which JSON has not, are null.

    >>> as_json({"recall": float("nan"), "interval": [0.0, 1.0]})
    '{"recall": null, "interval": [0.0, 1.0]}'
    """
    return json.dumps(_plain(facts), allow_nan=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
