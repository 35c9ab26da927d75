"""The one error that labelaudit raises for bad input."""

__all__ = ["LabelAuditError"]


class LabelAuditError(ValueError):
    """Bad input: the message states the fact, what was found, and what to type instead.

    It is a `ValueError`, so code that catches the built-in error catches it as well. The command
    line prints the message as one line and exits with code 2.

    Example:
        >>> raise LabelAuditError("scores hold NaN: row 3; drop the row or fix the model's output.")
        Traceback (most recent call last):
            ...
        labelaudit.errors.LabelAuditError: scores hold NaN: row 3; drop the row or fix the model's output.
    """
