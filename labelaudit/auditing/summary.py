"""The few facts that a person asks for first."""

from __future__ import annotations

from typing import Any

from labelaudit.visible import one_line


class Summary(dict[str, Any]):
    """What an audit found in short: a dict that prints as text, with its keys as attributes too.

    Keys: n_samples, n_epochs, n_classes, n_runs, n_flagged, estimated_errors, interval (95 %, number of
    samples), estimated_error_rate, window (first and last epoch that the ranking reads), worst_classes and
    worst_pairs (lists of dicts), notes (what the audit left out or doubts).
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"the summary has no {name!r}; it has {', '.join(self)}") from None

    def __str__(self) -> str:
        low, high = self["interval"]
        if self.get("task") == "detection":
            return "\n".join([*self._of_detections(low, high), *self._where(), *self._doubts()])
        lines = [
            f"{self['n_samples']:,} samples, {self['n_classes']:,} classes, {self['n_epochs']:,} epochs"
            + (f" of {self['n_runs']} runs" if self["n_runs"] > 1 else ""),
            f"Estimated wrong labels: {self['estimated_errors']:,} "
            f"({self['estimated_error_rate']:.1%}; 95 % interval {low:,} to {high:,})",
            f"Flagged: {self['n_flagged']:,}",
        ]
        return "\n".join([*lines, *self._where(), *self._doubts()])

    def _of_detections(self, low: int, high: int) -> list[str]:
        kinds = ", ".join(f"{count:,} {kind}" for kind, count in self["by_issue"].items())
        return [
            f"{self['n_objects']:,} boxes in {self['n_samples']:,} images, {self['n_classes']:,} classes, "
            f"{self['n_epochs']:,} epochs of detections",
            f"Flagged: {self['n_flagged']:,} boxes ({self['estimated_error_rate']:.1%}; 95 % interval {low:,} to "
            f"{high:,}): {kinds}",
            f"Missing: {self['n_missing']:,} objects",
        ]

    def _where(self) -> list[str]:
        lines = []
        if self["worst_classes"]:
            lines.append("Most affected classes (flagged of samples with that label):")
            lines += [
                f"  {one_line(row['label'])}: {row['flagged']:,} of {row['samples']:,} ({row['share']:.1%})"
                for row in self["worst_classes"]
            ]
        if self["worst_pairs"]:
            lines.append("Most frequent mistakes (given -> suggested):")
            lines += [
                f"  {one_line(row['given'])} -> {one_line(row['suggested'])}: {row['flagged']:,}"
                for row in self["worst_pairs"]
            ]
        return lines

    def _doubts(self) -> list[str]:
        return [f"Note: {one_line(note)}" for note in self["notes"]]
