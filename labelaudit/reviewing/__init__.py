"""The review: a person decides sample by sample, and every decision is on disk before the next sample appears."""

from labelaudit.reviewing.decision_log import DecisionLog
from labelaudit.reviewing.decisions import load_decisions, write_decisions
from labelaudit.reviewing.opening import Review, review

__all__ = ["DecisionLog", "Review", "load_decisions", "review", "write_decisions"]
