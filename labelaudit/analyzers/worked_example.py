"""The worked example of every docstring: small enough to check by hand."""

from __future__ import annotations

from labelaudit.history.history import History

PROBABILITIES = (
    ((0.2, 0.7, 0.1),),
    ((0.5, 0.3, 0.2),),
    ((0.3, 0.6, 0.1),),
    ((0.6, 0.3, 0.1),),
    ((0.8, 0.1, 0.1),),
)


def worked_example() -> History:
    """Return a history of five epochs, three classes and one sample, given class 0.

    Its predictions are 1, 0, 1, 0, 0, so c = 0, 1, 0, 1, 1: wrong, right, wrong, right, right.

    Example:
        >>> worked_example()
        History('(in memory)': 1 samples, 5 epochs, 3 classes)
    """
    from labelaudit.history.sources import history_from_arrays

    return history_from_arrays(PROBABILITIES, [0])
