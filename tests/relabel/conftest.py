"""An audit of 12 samples in three classes: 2, 5 and 9 have wrong labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from labelaudit import Audit, audit, history_from_arrays

TRUE = np.arange(12) % 3
WRONG = {2: 0, 5: 1, 9: 2}
GIVEN = np.array([WRONG.get(i, true) for i, true in enumerate(TRUE)])
NAMES = ["cat", "dog", "owl"]


@pytest.fixture
def make_audit() -> Callable[..., Audit]:
    def make(ids: Sequence[Any] | None = None, names: Sequence[str] | None = NAMES) -> Audit:
        scores = np.full((3, len(TRUE), 3), 0.02)
        scores[:, np.arange(len(TRUE)), TRUE] = 0.96
        found = audit(history_from_arrays(scores, GIVEN, sample_ids=ids, class_names=names))
        assert found.samples["is_label_issue"].to_numpy().nonzero()[0].tolist() == list(WRONG)
        found.samples["suggestion_confidence"] = 0.95
        return found

    return make
