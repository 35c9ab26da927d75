"""How far along its training an epoch is: counted in epochs, or, of a long run, in parts of equal length.

Who trains for long with augmentation, weight decay or a small learning rate keeps the network from memorising, and it
knows most late. So of a long run that has not learned its labels by heart the doublings are those of its parts, and
reach its end. In one that has, all that counts happened in a few early epochs.
"""

from __future__ import annotations

from dataclasses import dataclass

STAGES = 32  # of a run of more epochs than that, if it has not learned its labels by heart


@dataclass(frozen=True)
class Stages:
    """The stages of a run: ``n`` of them, of ``n_epochs`` recorded epochs."""

    n_epochs: int
    n: int

    @classmethod
    def by_epoch(cls, n_epochs: int) -> Stages:
        """Every epoch is a stage."""
        return cls(n_epochs, n_epochs)

    @classmethod
    def of_long(cls, n_epochs: int) -> Stages:
        """Return STAGES stages, of a run of more epochs than that."""
        return cls(n_epochs, STAGES)

    def at(self, index: int) -> int:
        """Return the stage of the i-th epoch."""
        return index * self.n // self.n_epochs

    def first_epoch(self, stage: int) -> int:
        """Return the index of the first epoch of a stage, at most the number of epochs."""
        return min(-(-stage * self.n_epochs // self.n), self.n_epochs)
