"""The review's page: one template, our own script and styles, nothing from elsewhere."""

from __future__ import annotations

from labelaudit.report.static_files import bundled, json_for_script, source_hash, styles

SCRIPTS = ("card.js", "review_actions.js", "review.js")
STYLES = ("theme.css", "card.css", "boxes.css", "review.css")
NOTEBOOK_HOSTS = "'self' http://localhost:* http://127.0.0.1:* https://localhost:* vscode-webview:"


def review_page(reviewer: str) -> str:
    """Return the page; samples come later, through the server's API."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("labelaudit.report", "static"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template("review.html.jinja").render(
        script=bundled(*SCRIPTS), style=styles(*STYLES), start=json_for_script({"reviewer": reviewer})
    )


def content_policy(*, embedded: bool) -> str:
    """Return the page's Content-Security-Policy; only a review in a notebook may be shown in a frame."""
    frames = NOTEBOOK_HOSTS if embedded else "'none'"
    return (
        f"default-src 'none'; script-src {source_hash(bundled(*SCRIPTS))}; style-src {source_hash(styles(*STYLES))}; "
        f"img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors {frames}"
    )
