"""The embeddings in a real browser: lasso, legend, colours; hostile names stay text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import labelaudit
from labelaudit.embedding import Visualization
from tests.report.open_page import complaints, opened
from tests.report.sample_audits import TRUE, N

pytestmark = pytest.mark.external

CORNERS = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])  # of the classes in the picture


def picture(audit: labelaudit.Audit) -> Visualization:
    points = CORNERS[TRUE] + np.random.default_rng(0).uniform(-0.1, 0.1, size=(N, 2))
    return Visualization(points, audit.samples.index.to_numpy(), "umap")


def count(page: Any) -> int:
    return int(page.locator("#count").inner_text().split()[0].replace(",", ""))


def draw(page: Any, *corners: tuple[float, float]) -> None:
    """A closed line through places given as shares of the canvas's width and height."""
    canvas = page.locator("#embedding canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in corners]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=5)
    page.mouse.up()


TOP_LEFT = ((0.01, 0.01), (0.5, 0.01), (0.4, 0.45), (0.01, 0.5))  # the third class


def test_the_lasso_shows_its_samples(browser: Any, audit: labelaudit.Audit, tmp_path: Path) -> None:
    audit.to_html(tmp_path / "report.html", max_cards=60, visualization=picture(audit))
    flagged = int(audit.samples["is_label_issue"].sum())
    with opened(browser, tmp_path / "report.html") as page:
        assert count(page) == flagged
        draw(page, *TOP_LEFT)
        assert page.locator("#embedding [role=status]").inner_text() == "100 samples are selected."
        assert count(page) == 100, "flagged or not, with or without a card"
        shown = page.locator("#grid .la-card .la-id").all_text_contents()
        assert shown
        assert all(int(text.split("img/")[1].split(".")[0]) % 4 == 2 for text in shown)
        assert page.locator("#others .la-card").count() == 24
        page.get_by_label("Show", exact=True).select_option("flagged")
        of_class = audit.samples[TRUE == 2]
        assert count(page) == of_class["is_label_issue"].sum()
        page.locator("#embedding").get_by_role("button", name="Clear the selection").click()
        assert count(page) == flagged
        draw(page, (0.4, 0.45), (0.6, 0.45), (0.6, 0.55), (0.4, 0.55))
        assert count(page) == flagged, "nothing is there: nothing is selected"


def test_legend_colours_and_a_click(browser: Any, audit: labelaudit.Audit, tmp_path: Path) -> None:
    audit.to_html(tmp_path / "report.html", visualization=picture(audit))
    pixels = "() => document.querySelector('#embedding canvas').toDataURL()"
    with opened(browser, tmp_path / "report.html") as page:
        before = page.evaluate(pixels)
        page.locator("#embedding").get_by_role("button", name="bee (").click()
        assert count(page) == (audit.samples["given_label"] == "bee").sum()
        page.get_by_role("button", name="Clear", exact=True).click()
        assert count(page) == audit.summary["n_flagged"]
        page.locator("#embedding-colour").select_option(label="label quality")
        assert page.evaluate(pixels) != before
        page.get_by_role("button", name="Select the lower half of the scale").click()
        assert audit.summary["n_flagged"] <= count(page) < N
        page.locator("#embedding-wide").click()
        assert page.locator("#embedding canvas").evaluate("canvas => canvas.clientWidth") > 500
        canvas = page.locator("#embedding canvas")
        points = np.asarray(picture(audit).points)
        low, high = points.min(axis=0), points.max(axis=0)
        x, y = (points[7] - low) / (high - low)
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        page.mouse.click(
            box["x"] + 10 + x * (box["width"] - 20), box["y"] + box["height"] - 10 - y * (box["height"] - 20)
        )
        assert page.locator("#embedding [role=status]").inner_text() == "1 sample is selected."
        assert (page.locator(".la-card .la-id").first.text_content() or "").startswith("id img/7.png ")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["desk", "phone"])
def test_readable_everywhere(browser: Any, audit: labelaudit.Audit, tmp_path: Path, size: str, scheme: str) -> None:
    audit.to_html(tmp_path / "report.html", visualization=picture(audit))
    with opened(browser, tmp_path / "report.html", size=size, scheme=scheme) as page:
        assert complaints(page) == []
        page.locator("#embedding-colour").select_option(label="label quality")
        assert complaints(page) == []


def test_hostile_names_stay_text(browser: Any, hostile_audit: labelaudit.Audit, tmp_path: Path) -> None:
    of = picture(hostile_audit)
    of.method = "</script><script>window.hacked=9</script>"
    hostile_audit.to_html(tmp_path / "report.html", visualization=of)
    with opened(browser, tmp_path / "report.html") as page:
        page.locator("#embedding .groups button").first.click()
        assert count(page) > 0
        assert page.evaluate("window.hacked") is None
        assert page.locator("#embedding img, #embedding script, #embedding b").count() == 0
        assert "<script>" in (page.locator("#embedding canvas").get_attribute("aria-label") or "")
