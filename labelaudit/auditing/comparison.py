"""Two audits side by side: before and after correcting, or two runs on the same samples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from labelaudit.auditing.opening import open_audit
from labelaudit.auditing.result import Audit
from labelaudit.errors import LabelAuditError

if TYPE_CHECKING:
    import pandas as pd

COUNTED = ("n_samples", "n_flagged", "estimated_errors", "interval", "estimated_error_rate")
MEASURED = ("recall", "precision", "f1", "average_precision", "correction_accuracy")


@dataclass(frozen=True, repr=False)
class Comparison:
    """What differs between two audits. Samples are matched by their ids.

    Attributes:
        before: counts of the first audit: n_samples, n_flagged, estimated_errors, interval (95 %),
            estimated_error_rate (0 to 1), measured (recall, precision, f1, average_precision, correction_accuracy on
            planted mistakes; None when none were planted).
        after: the same of the second.
        samples: one row per sample of either audit, index sample_id, in the first one's order and then the second's:
            given_before, given_after, quality_before, quality_after (0 to 1, low is suspicious), flagged_before,
            flagged_after; missing where an audit does not have the sample.
    """

    before: dict[str, Any]
    after: dict[str, Any]
    samples: pd.DataFrame

    @property
    def relabelled(self) -> pd.DataFrame:
        """The samples of both audits whose given labels differ."""
        return self._both[self._both["given_before"] != self._both["given_after"]]

    @property
    def no_longer_flagged(self) -> pd.DataFrame:
        """The samples of both audits that only the first flags, its worst first."""
        rows = self._both[self._flags("before") & ~self._flags("after")]
        return rows.sort_values("quality_before", kind="stable")

    @property
    def newly_flagged(self) -> pd.DataFrame:
        """The samples of both audits that only the second flags, its worst first."""
        rows = self._both[~self._flags("before") & self._flags("after")]
        return rows.sort_values("quality_after", kind="stable")

    @property
    def _both(self) -> pd.DataFrame:
        return self.samples[self.samples["flagged_before"].notna() & self.samples["flagged_after"].notna()]

    def _flags(self, when: str) -> Any:
        return self._both[f"flagged_{when}"].astype(bool)

    def to_dict(self) -> dict[str, Any]:
        """Return all counts, and the ids of the samples that differ."""
        return {
            "before": self.before,
            "after": self.after,
            "n_common": len(self._both),
            "only_before": int(self.samples["flagged_after"].isna().sum()),
            "only_after": int(self.samples["flagged_before"].isna().sum()),
            "flagged_in_both": int((self._flags("before") & self._flags("after")).sum()),
            "no_longer_flagged": self.no_longer_flagged.index.tolist(),
            "newly_flagged": self.newly_flagged.index.tolist(),
            "relabelled": [
                {"sample_id": sample, "before": before, "after": after}
                for sample, before, after in zip(
                    self.relabelled.index.tolist(),
                    self.relabelled["given_before"].tolist(),
                    self.relabelled["given_after"].tolist(),
                    strict=True,
                )
            ],
        }

    def __repr__(self) -> str:
        facts = self.to_dict()
        sides = (self.before, self.after)
        rows = [("", ["before", "after"])]
        for name in ("n_samples", "n_flagged", "estimated_errors"):
            rows.append((name.replace("_", " "), [f"{side[name]:,}" for side in sides]))
        rows.append(("  95 % interval", ["{:,} to {:,}".format(*side["interval"]) for side in sides]))
        for name in MEASURED if self.before["measured"] and self.after["measured"] else ():
            rows.append((name.replace("_", " "), [f"{side['measured'][name]:.3f}" for side in sides]))
        width = max(12, *(len(cell) for _, cells in rows for cell in cells)) + 2
        lines = [f"{title:24}" + "".join(f"{cell:>{width}}" for cell in cells) for title, cells in rows]
        lines.append(
            f"Of {facts['n_common']:,} samples in both: {len(self.relabelled):,} have another label, "
            f"{facts['flagged_in_both']:,} are flagged in both, {len(self.no_longer_flagged):,} no longer, "
            f"{len(self.newly_flagged):,} newly"
        )
        if facts["only_before"] or facts["only_after"]:
            lines.append(f"Only before: {facts['only_before']:,} samples; only after: {facts['only_after']:,}")
        return "\n".join(lines)


def compare(before: Any, after: Any) -> Comparison:
    """Compare two audits.

    Args:
        before: an `Audit`, the folder of one, or a run (a history or its path), which is audited.
        after: the same, of the same data set. Where only one of them has names of the classes, they hold for both.

    Raises:
        LabelAuditError: one of them cannot be read, or they have no sample id in common.

    Example:
        >>> from labelaudit import audit, history_from_arrays
        >>> scores = [[[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.9, 0.1]]] * 3
        >>> wrong, right = (audit(history_from_arrays(scores, [0, 0, 1, 1, last])) for last in (1, 0))
        >>> compare(wrong, right).relabelled.index.tolist()
        [4]
    """
    import pandas as pd

    first, second = open_audit(before), open_audit(after)
    for audit in (first, second):
        audit.refuse_boxes("a comparison", "Join the tables audit.objects of both")
    columns = {"given_label": "given", "label_quality": "quality", "is_label_issue": "flagged"}
    tables = []
    for audit, when in ((first, "before"), (second, "after")):
        table = audit.samples[list(columns)].rename(columns={old: f"{new}_{when}" for old, new in columns.items()})
        if audit.class_names is None:
            table[f"given_{when}"] = _named(table[f"given_{when}"], first.class_names or second.class_names or [])
        tables.append(table.astype({f"given_{when}": object, f"flagged_{when}": "boolean"}))
    ids = first.samples.index.append(second.samples.index.difference(first.samples.index, sort=False))
    if len(ids) == len(first.samples) + len(second.samples):
        raise LabelAuditError("the two audits have no sample id in common; compare audits of one data set")
    joined = pd.concat([table.reindex(ids) for table in tables], axis=1)
    order = [f"{name}_{when}" for name in ("given", "quality", "flagged") for when in ("before", "after")]
    return Comparison(_facts(first), _facts(second), joined[order].rename_axis("sample_id"))


def _named(labels: pd.Series[Any], names: list[str]) -> pd.Series[Any]:
    """Return class numbers as the names that the other audit gives them."""
    of_number = dict(enumerate(names))
    return labels.map(lambda label: of_number.get(label, label)).astype(object)


def _facts(audit: Audit) -> dict[str, Any]:
    measured = audit.measured
    return {
        **{name: audit.summary[name] for name in COUNTED},
        "measured": None if measured is None else {name: getattr(measured, name) for name in MEASURED},
    }
