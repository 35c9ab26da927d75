"""The demo's report in a real browser: offline, by mouse and by keyboard, wide and narrow, light and dark."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import labelaudit
from labelaudit.cli import main
from tests.report.open_page import complaints, opened, wait_until
from tests.report.sample_audits import GIVEN, logits

pytestmark = pytest.mark.external


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    assert main(["demo", "--json", "--epochs", "12", "--out", str(folder)]) == 0
    return folder


def count(page: Any) -> int:
    return int(page.locator("#count").inner_text().split()[0].replace(",", ""))


def figure(page: Any, term: str) -> str:
    return page.locator(f"#cut-figures div:has(dt:text-is('{term}')) dd").inner_text()


def test_the_answer_and_the_cards(browser: Any, demo: Path) -> None:
    audit = labelaudit.load_audit(demo / "audit")
    with opened(browser, demo / "report.html") as page:
        assert f"About {audit.summary['estimated_errors']}" in page.locator(".verdict h2").inner_text()
        assert count(page) == audit.summary["n_flagged"]
        first = page.locator(".la-card").first
        assert audit.issues["reason"].iloc[0] in (first.text_content() or "")
        assert first.locator("img").evaluate("image => image.complete && image.naturalWidth") == 8
        assert first.locator("svg.la-spark").count() == 1
        before = page.locator(".la-card").count()
        page.locator("#more").click()
        assert page.locator(".la-card").count() > before


def test_filters_by_class_pair_region_and_id(browser: Any, demo: Path) -> None:
    audit = labelaudit.load_audit(demo / "audit")
    issues = audit.issues
    pair = issues.groupby(["given_label", "suggested_label"]).size().idxmax()
    of_pair = ((issues["given_label"] == pair[0]) & (issues["suggested_label"] == pair[1])).sum()
    with opened(browser, demo / "report.html") as page:
        page.get_by_label("Given", exact=True).select_option("3")
        assert count(page) == (issues["given_label"] == "3").sum()
        page.get_by_label("Region", exact=True).select_option("hard")
        assert count(page) == ((issues["given_label"] == "3") & (issues["region"] == "hard")).sum()
        page.get_by_role("button", name="Clear", exact=True).click()
        assert count(page) == len(issues)
        page.get_by_role("button", name=f"True {pair[1]}, given {pair[0]}:").click()
        assert count(page) == of_pair
        assert page.locator("#matrix button[aria-pressed=true]").count() == 1
        page.get_by_role("button", name=f"True {pair[1]}, given {pair[0]}:").click()
        assert count(page) == len(issues), "the same cell again takes the filter off"
        page.locator(".where button[data-suggested]").first.click()
        assert count(page) > 0
        page.get_by_role("button", name="Clear", exact=True).click()
        clean = audit.samples.index[~audit.samples["is_label_issue"]][5]
        page.get_by_label("Id", exact=True).fill(str(clean))
        first = page.locator(".la-card .la-id").first.text_content() or ""
        assert first.startswith(f"id {clean} "), "a search finds clean samples too, the exact id first"
        page.get_by_label("Id", exact=True).fill("no such id")
        assert "No sample" in page.locator("#count").inner_text()


def test_a_search_finds_samples_without_a_card(browser: Any, audit: labelaudit.Audit, tmp_path: Path) -> None:
    audit.to_html(tmp_path / "report.html", max_cards=20)
    best = audit.samples["label_quality"].idxmax()
    with opened(browser, tmp_path / "report.html") as page:
        page.get_by_label("Id", exact=True).fill(best.upper())
        assert "not among the 20 most suspicious" in page.locator("#count").inner_text()
        card = page.locator("#others .la-card").first
        assert best in (card.text_content() or "")
        assert f"given {audit.samples.loc[best, 'given_label']}" in (card.text_content() or "")
        page.get_by_label("Region", exact=True).select_option("hard")
        assert page.locator("#others .la-card").count() == 0
        page.get_by_role("button", name="Clear", exact=True).click()
        assert page.locator("#others .la-card").count() == 0
        assert count(page) == 20


def test_the_cut_moves_by_keyboard_and_by_mouse(browser: Any, demo: Path) -> None:
    with opened(browser, demo / "report.html") as page:
        automatic, precision = count(page), figure(page, "Estimated precision")
        page.locator("#cut").focus()
        for _ in range(12):
            page.keyboard.press("ArrowLeft")
        assert int(figure(page, "Flagged")) == count(page) < automatic
        assert "estimated precision" in page.locator("#cut").get_attribute("aria-valuetext")
        assert figure(page, "Recall (planted)").endswith("%")
        page.get_by_role("button", name="Back to the automatic cut").click()
        assert (count(page), figure(page, "Estimated precision")) == (automatic, precision)
        box = page.locator("#histogram svg").bounding_box()
        page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.95, box["y"] + 60, steps=4)
        page.mouse.up()
        assert count(page) > automatic
        assert float(figure(page, "Quality below")) > 0.8


def test_a_brush_over_the_map_selects_cards(browser: Any, demo: Path) -> None:
    audit = labelaudit.load_audit(demo / "audit")
    with opened(browser, demo / "report.html") as page:
        canvas = page.locator("#map canvas")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        page.mouse.move(box["x"] + 41, box["y"] + box["height"] * 0.7)
        page.mouse.down()
        page.mouse.move(box["x"] + 80, box["y"] + box["height"] - 37, steps=5)
        page.mouse.up()
        some = count(page)
        assert 0 < some < audit.summary["n_flagged"]
        assert "lie in the selection" in page.locator("#map").inner_text()
        page.get_by_role("button", name="Clear the selection").click()
        assert count(page) == audit.summary["n_flagged"]
        page.get_by_text("Select by numbers").click()
        page.locator("#map input[name=y1]").fill("0.25")
        page.keyboard.press("Tab")
        assert count(page) == (audit.issues["confidence"] <= 0.25).sum()
        page.locator("#map-colour").select_option("region")
        assert "ambiguous" in page.locator("#map .keys").inner_text()


def test_a_choice_in_the_charts_brings_its_cards_into_view(browser: Any, demo: Path) -> None:
    with opened(browser, demo / "report.html") as page:
        page.mouse.move(300, 500)
        page.mouse.wheel(0, 3_000)
        wait_until(page, "scrollY > 1500")
        page.locator("#matrix button.same").first.click()
        card = page.locator(".la-card").first.bounding_box()
        cell = page.locator("#matrix button.same").first.bounding_box()
        assert 0 < card["y"] < 600
        assert 0 < cell["y"] < 900, "the charts stay beside them"
    with opened(browser, demo / "report.html", size="phone") as page:
        assert not page.locator("#jump").is_visible()
        page.locator("#matrix button.same").first.click()
        assert page.locator("#jump").inner_text().startswith("See the ")
        assert complaints(page) == []
        page.locator("#jump").click()
        wait_until(page, "Math.abs(document.getElementById('samples').getBoundingClientRect().top) < 5")


def test_a_sample_opens_by_keyboard(browser: Any, demo: Path) -> None:
    audit = labelaudit.load_audit(demo / "audit")
    with opened(browser, demo / "report.html") as page:
        page.locator(".la-card button").first.focus()
        page.keyboard.press("Enter")
        dialog = page.get_by_role("dialog")
        assert f"id {audit.issues.index[0]} " in dialog.inner_text()
        assert "area under the margin" in dialog.inner_text()
        page.keyboard.press("ArrowRight")
        assert f"id {audit.issues.index[1]} " in dialog.inner_text()
        assert page.locator("#place").inner_text().startswith("2 of ")
        page.keyboard.press("Escape")
        assert not dialog.is_visible()
        assert page.evaluate("document.activeElement.className") == "la-media", "the focus goes back to the card"


def test_the_matrix_is_one_stop_and_arrow_keys_move_in_it(browser: Any, demo: Path) -> None:
    with opened(browser, demo / "report.html") as page:
        assert page.locator("#matrix button[tabindex='0']").count() == 1
        page.locator("#matrix button").first.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowDown")
        assert page.evaluate("document.activeElement.ariaLabel").startswith("True 2, given 1:")
        page.keyboard.press("Enter")
        assert page.locator("#filters [name=given]").input_value() == "1"
        assert page.locator("#filters [name=suggested]").input_value() == "2"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["phone", "desk"])
def test_it_is_readable_at_both_widths_in_both_schemes(browser: Any, demo: Path, size: str, scheme: str) -> None:
    with opened(browser, demo / "report.html", size=size, scheme=scheme) as page:
        for summary in page.locator("summary").all():
            summary.click()
        assert complaints(page) == []
        page.locator(".la-card button").first.click()
        assert complaints(page) == []
        shot = demo / f"{size}-{scheme}.png"
        page.screenshot(path=shot)
        assert shot.stat().st_size > 20_000


def test_every_stop_of_the_tab_key_shows_the_focus(browser: Any, demo: Path) -> None:
    with opened(browser, demo / "report.html") as page:
        seen = set()
        for _ in range(25):
            page.keyboard.press("Tab")
            outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
            seen.add(page.evaluate("document.activeElement.tagName"))
            assert outline != "none"
        assert {"A", "BUTTON", "SELECT", "INPUT"} <= seen


def test_print_says_what_it_leaves_out(browser: Any, demo: Path) -> None:
    said = "getComputedStyle(document.getElementById('more'), '::after').content"
    with opened(browser, demo / "report.html") as page:
        left = count(page) - page.locator(".la-card").count()
        assert left > 0
        page.emulate_media(media="print")
        assert page.locator("#more").is_visible()
        assert page.evaluate(said).replace('"', "") == f"{left} more are not printed: show them first."
        page.emulate_media(media="screen")
        assert page.evaluate(said) == "none"
        while page.locator("#more").is_visible():
            page.locator("#more").click()
        page.emulate_media(media="print")
        assert not page.locator("#more").is_visible()


def test_print_is_dark_on_white_and_holds_every_chart(browser: Any, demo: Path) -> None:
    with opened(browser, demo / "report.html", scheme="dark") as page:
        page.emulate_media(media="print", color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.body).color") == "rgb(26, 29, 35)"
        assert page.evaluate("getComputedStyle(document.querySelector('aside')).overflowY") == "visible"
        assert not page.locator("nav").is_visible()


def test_without_scripts_there_are_no_controls_that_do_nothing(browser: Any, demo: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((demo / "report.html").as_uri())
    assert "need JavaScript" in page.locator("body").inner_text()
    assert not page.locator("#filters").is_visible()
    assert not page.locator("#cut").is_visible()
    context.close()


def test_one_epoch_has_marks_that_can_be_seen(browser: Any, tmp_path: Path) -> None:
    one = labelaudit.history_from_arrays(logits()[-1:], GIVEN)
    labelaudit.audit(one).to_html(tmp_path / "report.html")
    with opened(browser, tmp_path / "report.html") as page:
        assert ", 1 epoch\n" in page.locator("body").inner_text()
        lines = page.locator(".la-card:has(.la-suggested) .la-line, #learning path[class^=line]")
        assert min(lines.evaluate_all("all => all.map((line) => line.getBBox().width)")) > 10


def test_a_finger_that_scrolls_over_the_map_leaves_the_selection(browser: Any, demo: Path) -> None:
    with opened(browser, demo / "report.html", size="phone") as page:
        page.get_by_text("Select by numbers").click()
        page.locator("#map input[name=y1]").fill("0.25")
        page.keyboard.press("Tab")
        before = page.locator("#map p.hint").inner_text()
        canvas = page.locator("#map canvas")
        for kind, y in (("down", 300), ("move", 400), ("cancel", 400)):
            place = {"pointerId": 1, "clientX": 200, "clientY": y}
            canvas.evaluate("(canvas) => { canvas.setPointerCapture = () => {}; }")
            canvas.dispatch_event(f"pointer{kind}", place)
        assert page.locator("#map p.hint").inner_text() == before
        page.locator("#map input[name=y1]").fill("")
        page.keyboard.press("Tab")
        assert page.locator("#map input[name=y1]").input_value() == "1.00"
