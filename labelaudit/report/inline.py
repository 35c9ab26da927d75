"""The report inside a notebook: in a frame of its own, so that neither styles nor scripts mix."""

from __future__ import annotations

import html
from dataclasses import dataclass

from labelaudit.report.page import Report


@dataclass(frozen=True)
class InlineReport:
    """A report as the output of a notebook cell. It stays there when the notebook is saved or exported."""

    report: Report
    height: int = 800

    def __repr__(self) -> str:
        return repr(self.report)

    def _repr_html_(self) -> str:
        page = html.escape(self.report.html, quote=True)
        return (
            f'<iframe title="Label audit" sandbox="allow-scripts" style="width:100%;height:{int(self.height)}px;'
            f'border:1px solid #8884;border-radius:6px" srcdoc="{page}"></iframe>'
        )
