"""The small history that the report's tests audit."""

from __future__ import annotations

from typing import Any

import numpy as np

import labelaudit
from labelaudit import history_from_arrays, plant_mistakes

N, K, EPOCHS = 400, 4, 8
NAMES = ["ant", "bee", "cat", "dog"]
TRUE = np.arange(N) % K
GIVEN, PLANTED = plant_mistakes(TRUE, 0.1, seed=0)
HOSTILE = [
    "</script><script>window.hacked=1</script>",
    "\"><img src=x onerror='window.hacked=2'>",
    "\u202egnp.exe\u202c",
    "{{ 7 * 7 }} ${window.hacked=3} <b>&amp;",
]


def logits(seed: int = 0) -> np.ndarray:
    """Logits of a model that learns the true classes, better every epoch."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(EPOCHS, N, K))
    z[:, np.arange(N), TRUE] += np.linspace(1, 6, EPOCHS)[:, None]
    return z


def history_of_names(names: list[str] | None, ids: list[Any] | None = None) -> labelaudit.History:
    return history_from_arrays(logits(), GIVEN, class_names=names, sample_ids=ids, planted=PLANTED)
