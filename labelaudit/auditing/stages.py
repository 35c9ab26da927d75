"""How far along its training a run is: counted in epochs, or, of a long run, in as many parts of equal length.

Long trainings learn slowly: a small learning rate, augmentation, or weight decay keeps them from memorising, and their
late epochs know most. So of a long run the doublings are those of its parts, and reach its end.
"""

from __future__ import annotations

LONGEST = 60  # epochs of a run whose stages are its epochs
STAGES = 32  # of a longer one


def stage(index: int, n_epochs: int) -> int:
    """Return the stage of a run's i-th recorded epoch."""
    return index if n_epochs <= LONGEST else index * STAGES // n_epochs


def first_epoch(of_stage: int, n_epochs: int) -> int:
    """Return the index of the first epoch of a stage, at most the number of epochs."""
    first = of_stage if n_epochs <= LONGEST else -(-of_stage * n_epochs // STAGES)
    return min(first, n_epochs)


def stages(n_epochs: int) -> int:
    """Return how many stages a run has."""
    return n_epochs if n_epochs <= LONGEST else STAGES
