"""Opening a report in the browser, and what every page must keep to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SIZES = {"phone": {"width": 375, "height": 800}, "desk": {"width": 1440, "height": 900}}


@contextmanager
def opened(browser: Any, path: Path, *, size: str = "desk", scheme: str = "light") -> Iterator[Any]:
    """Open a file offline; afterwards: no message on the console, no error, no request that leaves the machine."""
    context = browser.new_context(viewport=SIZES[size], color_scheme=scheme)
    context.set_offline(True)
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("request", lambda request: problems.append(request.url) if not is_local(request.url) else None)
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    yield page
    assert problems == []
    context.close()


def wait_until(page: Any, expression: str) -> None:
    """Wait until a JavaScript expression is true; playwright's own waiting needs an eval that the page forbids."""
    for _ in range(100):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {expression}")


def is_local(url: str) -> bool:
    return url.startswith(("file:", "data:", "about:"))


def complaints(page: Any) -> list[Any]:
    """Return what is wrong with the page as it is now: low contrast, nameless controls, wider than the window."""
    checks = (Path(__file__).parent / "page_checks.js").read_text(encoding="utf-8").partition("\n")[2]
    found = page.evaluate(f"() => {{ const c = {checks}; return [c.lowContrast(), c.unnamed(), c.overflowing()]; }}")
    return [one for check in found for one in check]
