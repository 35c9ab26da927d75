"""Markup in class names, ids, texts, rows and paths stays text in a real browser; and the notebook's frame."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

import labelaudit
from tests.report.open_page import complaints, opened
from tests.report.sample_audits import HOSTILE, N, history_of_names

pytestmark = pytest.mark.external

SAFE = "() => window.hacked === undefined && document.querySelectorAll('script').length === 2"


@pytest.mark.parametrize("size", ["phone", "desk"])
def test_hostile_strings_are_shown_and_nothing_runs(
    browser: Any, hostile_audit: labelaudit.Audit, tmp_path: Path, size: str
) -> None:
    texts = [f"{HOSTILE[i % 4]} {'long' * 60}" for i in range(N)]
    hostile_audit.to_html(
        tmp_path / "report.html", texts=texts, rows=lambda _: {HOSTILE[0]: HOSTILE[1], HOSTILE[2]: 1}, title=HOSTILE[1]
    )
    with opened(browser, tmp_path / "report.html", size=size) as page:
        page.locator("#filters [name=shown]").select_option("all")
        page.locator("#matrix button").nth(1).click()
        page.locator("#matrix button").nth(1).click()
        page.locator(".where button").first.click()
        page.get_by_role("button", name="Clear", exact=True).click()
        page.get_by_label("Id", exact=True).fill("<script>")
        # text_content: what lies outside the view is not laid out, so inner_text would be empty
        assert HOSTILE[0] in (page.locator("#grid").text_content() or "")
        page.locator(".la-card button").first.click()
        assert HOSTILE[0] in page.get_by_role("dialog").inner_text()
        assert page.evaluate(SAFE)
        assert page.locator("main img, header img, dialog img").count() == 0
        assert complaints(page) == []


def test_marks_that_turn_the_text_around_are_made_visible(
    browser: Any, hostile_audit: labelaudit.Audit, tmp_path: Path
) -> None:
    hostile_audit.to_html(tmp_path / "report.html")
    with opened(browser, tmp_path / "report.html") as page:
        page.get_by_label("Id", exact=True).fill("exe")
        text = page.locator(".la-card").first.text_content() or ""
        assert "\u202e" not in text
        assert "⟨U+202E⟩gnp.exe" in text
        assert "\u202e" not in page.locator("body").inner_text()


def test_a_name_of_spaces_can_be_seen_and_chosen(browser: Any, tmp_path: Path) -> None:
    labelaudit.audit(history_of_names([" ", "bee", "cat", "dog"])).to_html(tmp_path / "report.html")
    with opened(browser, tmp_path / "report.html") as page:
        assert complaints(page) == []
        page.locator(".where button[data-given=' ']").first.click()
        page.wait_for_selector(".la-card")
        assert page.locator(".la-card .la-given bdi").first.inner_text() == "⟨U+0020⟩"


@pytest.mark.parametrize("size", ["phone", "desk"])
def test_long_names_are_cut_off_but_for_the_dialog(browser: Any, tmp_path: Path, size: str) -> None:
    long = [f"{kind} {'long ' * 70}" for kind in ("ant", "bee", "cat", "dog")]
    labelaudit.audit(history_of_names(long)).to_html(tmp_path / "report.html")
    with opened(browser, tmp_path / "report.html", size=size) as page:
        heights = "all => all.map((one) => one.getBoundingClientRect().height)"
        assert max(page.eval_on_selector_all(".where tbody tr", heights)) < 130
        assert page.locator(".la-card").first.bounding_box()["height"] < 520
        page.locator(".la-card button").first.click()
        given = page.locator("dialog .la-given bdi")
        assert given.inner_text() in [name.strip() for name in long]
        assert given.bounding_box()["height"] > 100, "in full"
        assert complaints(page) == []


def test_images_from_a_folder_with_hostile_names(browser: Any, tmp_path: Path) -> None:
    ids = [f'"><img src=x onerror=window.hacked=1> {i}.png' for i in range(N)]
    (tmp_path / "images").mkdir()
    for sample in ids[:50]:
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "images" / sample)
    audit = labelaudit.audit(history_of_names(None, ids))
    audit.to_html(tmp_path / "report.html", images=tmp_path / "images")
    with opened(browser, tmp_path / "report.html") as page:
        page.locator("#filters [name=shown]").select_option("all")
        page.get_by_label("Id", exact=True).fill("hacked=1> 7.png")
        assert page.locator(".la-card img").count() == 1
        assert page.evaluate(SAFE)


NOTEBOOK = """
import labelaudit, numpy as np
from tests.report.sample_audits import history_of_names, HOSTILE
labelaudit.audit(history_of_names(HOSTILE)).show(images=np.ones((400, 8, 8)))
"""


def test_a_notebook_shows_the_report_inline(browser: Any, tmp_path: Path) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(NOTEBOOK)])
    NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    output = notebook.cells[0].outputs[-1]["data"]["text/html"]
    host = tmp_path / "notebook.html"  # an exported notebook puts the output into its page like this
    host.write_text(
        f"<!doctype html><html data-ready><title>n</title><style>p{{color:red}}</style><p id=p>x</p>{output}",
        encoding="utf-8",
    )
    with opened(browser, host) as page:
        frame = page.frame_locator("iframe")
        frame.locator(".la-card").first.wait_for()
        assert frame.locator(".la-card img").count() > 0
        frame.locator("#filters [name=shown]").select_option("all")
        assert frame.locator("#count").inner_text().startswith("300 samples")
        frame.locator(".la-card button").first.click()
        assert frame.get_by_role("dialog").is_visible()
        assert page.evaluate("window.hacked === undefined")
        assert page.locator("#p").evaluate("p => getComputedStyle(p).color") == "rgb(255, 0, 0)", "styles do not mix"
        assert page.evaluate("document.querySelector('iframe').contentDocument") is None, "scripts do not either"
