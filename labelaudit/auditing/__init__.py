"""The audit: likely label errors of a history, how many there are, and how good the audit is."""

from labelaudit.auditing.comparison import Comparison, compare
from labelaudit.auditing.pipeline import audit
from labelaudit.auditing.planted import PlantedLabels, plant_mistakes
from labelaudit.auditing.result import Audit, load_audit

__all__ = ["Audit", "Comparison", "PlantedLabels", "audit", "compare", "load_audit", "plant_mistakes"]
