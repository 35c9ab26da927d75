"""One self-contained page from a template: styles, scripts and data inside, and a policy that lets nothing else run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from labelaudit.report.hidden import visible
from labelaudit.report.static_files import bundled, json_for_script, source_hash, styles


def rendered(
    template: str, data: dict[str, Any], *, scripts: Sequence[str], sheets: Sequence[str], **facts: Any
) -> str:
    """Return the page.

    Args:
        template: name of a template in static/; all that it shows is escaped.
        data: what the script reads, JSON.
        scripts: names of ES modules in static/.
        sheets: names of style sheets in static/.
        facts: what else the template shows.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("labelaudit.report", "static"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    script, style, payload = bundled(*scripts), styles(*sheets), json_for_script(data)
    return environment.get_template(template).render(
        script=script,
        style=style,
        payload=payload,
        policy=(
            "default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
            f"script-src {source_hash(script)}; style-src {source_hash(style)}"
        ),
        megabytes=f"{(len(payload) + len(script) + len(style) + 10_000) / 1e6:.1f}",
        **facts,
    )
