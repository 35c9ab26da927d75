"""Corrections: from suggestions or a review's decisions to a new label file, folder tree or array."""

from labelaudit.relabeling.changes import Changes, changes_from
from labelaudit.relabeling.relabelling import relabel
from labelaudit.relabeling.result import Relabelled
from labelaudit.relabeling.undo_log import undo_relabel

__all__ = ["Changes", "Relabelled", "changes_from", "relabel", "undo_relabel"]
