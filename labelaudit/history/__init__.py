"""Histories: recording, the files on disk, and reading them back."""

from labelaudit.history.history import History
from labelaudit.history.recorder import Recorder
from labelaudit.history.sources import history_from_arrays, open_history

__all__ = ["History", "Recorder", "history_from_arrays", "open_history"]
