"""Results kept beside a history under names of their own: audits, visualizations, similarity indexes."""

from labelaudit.named_runs.named_runs import NamedRuns
from labelaudit.named_runs.record import RunInfo

__all__ = ["NamedRuns", "RunInfo"]
