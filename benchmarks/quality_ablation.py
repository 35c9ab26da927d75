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
from labelaudit.auditing.clues import Clues
from labelaudit.auditing.experience import Experience, by_experience, trees
from labelaudit.auditing.verdict import LOWEST_CUT


def _by_matrix(clues: Clues, odds: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-clues.by_matrix))


def _log_ratio(clues: Clues, order: np.ndarray) -> np.ndarray:
    return clues.log_ratio


def _networks_alone(clues: Clues, order: np.ndarray) -> np.ndarray:
    return order


def _ranked_by_matrix_too(clues: Clues) -> Experience:
    found = by_experience(clues)
    return replace(found, order=found.order + clues.by_matrix / 4)


def _ranked_by_trees(clues: Clues) -> Experience:
    return replace(by_experience(clues), order=_trees(clues))


def _ranked_by_both(clues: Clues) -> Experience:
    found = by_experience(clues)
    return replace(found, order=found.odds)


def _by_trees(clues: Clues) -> Experience:
    return Experience(_trees(clues), _trees(clues))


def _by_networks(clues: Clues) -> Experience:
    found = by_experience(clues)
    return replace(found, odds=found.order)


def _trees(clues: Clues) -> np.ndarray:
    return trees().predict([*clues.of_samples(), *clues.of_set()], len(clues.log_ratio))


VARIANTS: dict[str, dict[str, Callable[..., Any] | float]] = {
    "plain mean over the epochs": {"window.log_time_weight": lambda index, stages: 1.0},
    "noise model on all epochs": {"window.n_early": lambda seen: seen.stages.n_epochs},
    "ranked by the log ratio alone": {"verdict.ranking": _log_ratio},
    "ranked by the networks alone": {"verdict.ranking": _networks_alone},
    "ranked by the noise matrix, too": {"verdict.by_experience": _ranked_by_matrix_too},
    "ranked by the trees": {"verdict.by_experience": _ranked_by_trees},
    "ranked by trees and networks": {"verdict.by_experience": _ranked_by_both},
    "probability from the noise matrix alone": {"verdict.wrong": _by_matrix},
    "probability from experience alone": {"verdict.BY_MATRIX": 0.0},
    "experience by the trees alone": {"verdict.by_experience": _by_trees},
    "experience by the networks alone": {"verdict.by_experience": _by_networks},
    "no experience at all": {"verdict.wrong": _by_matrix, "verdict.ranking": _log_ratio},
    "cut at one half": {"verdict.best_cut": lambda probability, lowest: 0.5},
    "cut as low as the best F1 asks": {"verdict.lowest_cut": lambda learned: 0.0},
    "cut no higher for models that learned little": {"verdict.lowest_cut": lambda learned: LOWEST_CUT},
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
