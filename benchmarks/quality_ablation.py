"""The verdict less one of its parts, or with look-alikes, for detection_quality.py --ablation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import numpy as np
from quality_peers import Finding, ours

from labelaudit import Embeddings, History
from labelaudit.auditing.doubt import doubt
from labelaudit.auditing.experience import by_experience
from labelaudit.auditing.glance import Glance
from labelaudit.auditing.reading import Reading


def _by_matrix_and_doubt(read: Reading, glances: list[Glance]) -> np.ndarray:
    rows = glances[0].rows
    return 1 - (1 - read.posterior.wrong[rows]) * (1 - doubt(read.log_ratio[rows], read.seen))


VARIANTS: dict[str, dict[str, Callable[..., Any] | float]] = {
    "plain mean over the epochs": {"window.log_time_weight": lambda index: 1.0},
    "noise model on all epochs": {"window.n_early": lambda seen: seen.n_epochs},
    "noise matrix not in the ranking": {"verdict.log_odds": np.zeros_like},
    "noise matrix and doubt alone": {"verdict.by_experience": _by_matrix_and_doubt},
    "experience alone": {"verdict.wrong": by_experience},
    "not leaning": {"verdict.LEANING": 1.0},
    "not calibrated along the ranking": {"verdict.along_ranking": lambda score, probability: probability},
}


def with_embeddings(history: History, embeddings: dict[str, np.ndarray]) -> Iterator[Finding]:
    """Yield what labelaudit finds with look-alikes as a second witness, by each of several embeddings."""
    for name, vectors in embeddings.items():
        found = ours(history, embeddings=Embeddings.from_arrays(vectors))
        yield replace(found, method=f"labelaudit, with look-alikes by {name}", group="ablation")


def variants(history: History) -> Iterator[Finding]:
    """Yield what labelaudit finds without each part."""
    for name, changes in VARIANTS.items():
        with ExitStack() as stack:
            for place, other in changes.items():
                stack.enter_context(patch(f"labelaudit.auditing.{place}", other))
            yield replace(ours(history), method=f"labelaudit, {name}", group="ablation")
