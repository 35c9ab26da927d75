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
from labelaudit.auditing import noise_model


def _no_posterior(*arguments: Any) -> noise_model.Posterior:
    found = _posterior(*arguments)
    return noise_model.Posterior(np.zeros_like(found.wrong), found.other, found.share)


_posterior = noise_model.posterior
VARIANTS: dict[str, dict[str, Callable[..., Any] | float]] = {
    "plain mean over the epochs": {"window.log_time_weight": lambda index: 1.0},
    "noise model on all epochs": {"window.early_epochs": lambda history, run, epochs, split: epochs},
    "noise matrix not in the ranking": {"verdict._log_odds": np.zeros_like},
    "no noise matrix": {"noise_model.posterior": _no_posterior},
    "no doubt": {"verdict.doubt": lambda log_ratio, seen: np.zeros_like(log_ratio)},
    "not calibrated along the ranking": {"verdict.along_ranking": lambda score, probability: probability},
    "suggestions as sure as their product": {"verdict.OVERCONFIDENCE": 1.0},
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
