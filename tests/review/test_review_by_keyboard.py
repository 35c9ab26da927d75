"""A whole review by keyboard in a real browser: 20 decisions, a killed server, export, relabel, undo."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import labelaudit
from labelaudit import load_decisions
from labelaudit.cli import main
from tests.review.conftest import GIVEN, IDS, NAMES, TRUE, WRONG, Place

pytestmark = pytest.mark.external  # Debian's chromium

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
OWN = ("http://127.0.0.1:", "data:")
FLAGS += ["--disable-component-update", "--disable-sync"]


@contextmanager
def server(place: Place, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """``labelaudit review``, and the address that it printed."""
    command = [sys.executable, "-m", "labelaudit", "review", str(place.run), "--images", str(place.images)]
    command += ["--no-browser", "--json", "--reviewer", "Ann", *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, json.loads(process.stdout.readline())["url"]
        finally:
            process.kill()


@contextmanager
def browser(width: int = 1440, scheme: str = "light") -> Iterator[tuple[Any, list[str]]]:
    """A page, and a list of all that went wrong in it."""
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium")
    assert chromium is not None, "install Debian's package chromium"
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = opened.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if line.type in ("error", "warning") else None)
        page.on(
            "request",
            lambda one: None if "//127.0.0.1:" in one.url or one.url.startswith("data:") else problems.append(one.url),
        )
        yield page, problems
        opened.close()


def until(page: Any, expression: str, arg: Any = None) -> None:
    """Wait until an expression is true; the page's own policy forbids playwright's way of doing that."""
    end = time.monotonic() + 10
    while not page.evaluate(expression, arg):
        assert time.monotonic() < end, expression
        page.wait_for_timeout(20)  # not time.sleep: the browser's messages are handled meanwhile


def shown(page: Any) -> str:
    """The id on the card, once the page is at rest."""
    page.wait_for_selector("#review:not([aria-busy]) .rv-single .la-id bdi")
    return str(page.inner_text(".rv-single .la-id bdi"))


def press(page: Any, key: str) -> str:
    """Press a key that decides; return the id that it was on, once the next sample is shown."""
    before = shown(page)
    page.keyboard.press(key)
    until(page, "before => document.querySelector('.rv-single .la-id bdi')?.textContent !== before", arg=before)
    return before


def picture(page: Any, name: str) -> None:
    """Keep a screenshot where LABELAUDIT_SCREENSHOTS names a folder."""
    if folder := os.environ.get("LABELAUDIT_SCREENSHOTS"):
        page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


def test_a_whole_review(place: Place, tmp_path: Path) -> None:
    decided: dict[str, str] = {}
    keys = ["a", "a", "k", "a", "x", "a", "u", "a", "a", "a"]  # 10 decisions, then the server is killed
    with browser() as (page, problems):
        with server(place) as (process, url):
            page.goto(url)
            assert shown(page) in {IDS[i] for i in WRONG}, "the worst comes first"
            until(page, "document.querySelector('.la-image')?.naturalWidth > 0")
            picture(page, "review-1440")
            for key in keys:
                decided[press(page, key)] = key
            assert "10 of" in page.inner_text(".rv-progress")
            process.send_signal(signal.SIGKILL)
            process.wait()
            last = shown(page)
            page.keyboard.press("a")
            page.wait_for_selector(".rv-problem")
            assert "does not answer" in page.inner_text("#rv-message")
            assert shown(page) == last, "a decision that is not on disk does not move on"
        assert problems, "the browser reports the lost connection"
        problems.clear()
        with server(place) as (process, url):
            page.goto(url)
            assert shown(page) == last, "goes on where it stopped"
            assert page.inner_text(".rv-progress").startswith("10 of")
            decided[press(page, "k")] = "k"
            page.keyboard.press("z")  # undo, then another word
            until(page, "before => document.querySelector('.la-id bdi').textContent === before", arg=last)
            page.keyboard.press("c")
            page.keyboard.type("ow")
            page.keyboard.press("Enter")
            until(page, "before => document.querySelector('.la-id bdi').textContent !== before", arg=last)
            decided[last] = "owl"
            for _ in range(9):
                decided[press(page, "k")] = "k"
            assert "11 of" not in page.inner_text(".rv-progress")
            assert "beyond the cut" in page.inner_text(".rv-progress")
            assert "hold about" in page.inner_text("#rv-outlook")
            assert page.locator(".rv-note").count() == 1
            with page.expect_download() as download:
                page.click("text=CSV")
            download.value.save_as(tmp_path / "page.csv")
            assert page.locator("b, i").count() == 0, "names from data stay text"
        assert problems == []
    assert len(decided) == 20
    decisions = place.run / "review" / "decisions.jsonl"
    assert main(["review", str(place.run), "--export", str(tmp_path / "d.csv")]) == 0
    assert (tmp_path / "page.csv").read_text() == (tmp_path / "d.csv").read_text()
    actions = {"a": "relabel", "owl": "relabel", "k": "keep", "x": "remove", "u": "unsure"}
    table = load_decisions(decisions)
    assert table["action"].to_dict() == {
        one: "keep" if key == "owl" and NAMES[GIVEN[IDS.index(one)]] == "owl" else actions[key]
        for one, key in decided.items()
    }
    old = place.labels.read_bytes()
    want = []
    for line, name, true in zip(old.decode().splitlines()[1:], IDS, TRUE, strict=True):
        key = decided.get(name)
        new = NAMES[true] if key == "a" else "owl" if key == "owl" else None
        given = line.split(",")[1]
        want += [] if key == "x" else [line.replace(given, f'"{new}"') if new else line]
    assert (
        main(
            [
                "relabel",
                str(place.labels),
                "--decisions",
                str(decisions),
                "--in-place",
                "--undo-log",
                str(tmp_path / "u"),
            ]
        )
        == 0
    )
    assert place.labels.read_text().splitlines()[1:] == want
    assert place.labels.read_bytes() != old
    assert main(["relabel", "--undo", str(tmp_path / "u")]) == 0
    assert place.labels.read_bytes() == old


def test_lookalikes_and_disagreements(place: Place) -> None:
    with browser() as (page, problems), server(place) as (_, url):
        page.goto(url)
        shown(page)
        page.keyboard.press("l")
        page.wait_for_selector(".rv-panel .la-card")
        until(page, "[...document.querySelectorAll('.la-image')].every((one) => one.naturalWidth > 0)")
        n = page.locator(".rv-panel .la-card").count()
        assert n >= 2
        picture(page, "lookalikes-1440")
        left = page.inner_text(".rv-panel li:last-child .la-id bdi")
        page.uncheck(".rv-panel li:last-child input")
        page.keyboard.press("a")
        page.wait_for_selector("text=Look-alikes at once")
        until(page, "n => document.querySelectorAll('.rv-panel .la-card').length === 1", arg=n)
        assert page.inner_text(".rv-panel .la-id bdi") == left
        table = load_decisions(place.run / "review" / "decisions.jsonl")
        assert table["action"].tolist() == ["relabel"] * (n - 1)
        page.keyboard.press("Escape")
        page.fill("#rv-name", "Bo")
        page.keyboard.press("Tab")
        shown(page)
        until(page, "document.querySelector('.rv-progress').innerText.startsWith('0 of')")
        page.keyboard.press("k")
        page.wait_for_selector("[data-disputed]")
        page.keyboard.press("d")
        page.wait_for_selector(".rv-words")
        assert "Ann: says" in page.inner_text(".rv-words")
        assert "Bo: keeps the label" in page.inner_text(".rv-words")
        picture(page, "disagreement-1440")
        page.keyboard.press("a")
        page.wait_for_selector(".rv-single")
        assert page.locator("[data-disputed]").count() == 0
        assert problems == []


def test_a_screen_reader_hears_each_sample(place: Place) -> None:
    """What it listens to stays in the page: a region that is made anew with its text already in it is not read out."""
    with browser() as (page, problems), server(place) as (_, url):
        page.goto(url)
        shown(page)
        page.evaluate("window.regions = [...document.querySelectorAll('[role=status]')]")
        for _ in range(3):
            press(page, "k")
            spoken = page.get_attribute(".rv-single article", "aria-label")
            heard = page.evaluate("regions.map((one) => one.isConnected && one.textContent)")
            assert heard == ["", spoken]
        page.keyboard.press("l")
        page.wait_for_selector(".rv-panel")
        for box in page.locator(".rv-panel input").all():
            box.uncheck()
        page.keyboard.press("a")
        until(page, "regions[0].textContent === 'Tick at least one sample.'")
        assert page.locator("ul:empty").count() == 0
        assert problems == []


def test_two_windows_of_one_reviewer(place: Place) -> None:
    """The window that comes later learns what the other one decided; keys in haste replace nothing."""
    decisions = place.run / "review" / "decisions.jsonl"
    with browser() as (page, problems), server(place) as (_, url):
        other = page.context.browser.new_page()
        for window in (page, other):
            window.goto(url)
        first = shown(other)
        assert press(page, "a") == first
        for _ in range(3):
            other.keyboard.press("k")
            other.wait_for_selector("#review:not([aria-busy]) .rv-panel >> text=Decided in another window")
        assert "not saved" in other.inner_text("#rv-message")
        assert other.inner_text(".rv-panel .la-id bdi") == first
        assert other.inner_text(".rv-words").startswith("Ann: says ")
        picture(other, "elsewhere-1440")
        assert load_decisions(decisions)["action"].to_dict() == {first: "relabel"}
        other.keyboard.press("Escape")
        second = shown(other)
        assert second == shown(page)
        press(other, "k")
        page.keyboard.press("x")
        page.wait_for_selector(".rv-panel")
        page.keyboard.press("r")
        page.keyboard.press("x")
        shown(page)
        assert load_decisions(decisions)["action"].to_dict() == {first: "relabel", second: "remove"}
        for _ in range(2):
            other.keyboard.press("z")
            other.wait_for_selector("#review:not([aria-busy]) .rv-panel >> text=Take it back")
        assert "not taken back" in other.inner_text("#rv-message")
        assert other.inner_text(".rv-panel .la-id bdi") == second
        assert len(load_decisions(decisions)) == 2
        other.keyboard.press("r")
        shown(other)
        assert load_decisions(decisions)["action"].to_dict() == {first: "relabel", second: "keep"}
        assert [one for one in problems if "409" not in one] == []


def test_lookalikes_decided_in_another_window(place: Place) -> None:
    with browser() as (page, problems), server(place) as (_, url):
        other = page.context.browser.new_page()
        for window in (page, other):
            window.goto(url)
            shown(window)
            window.keyboard.press("l")
            window.wait_for_selector(".rv-panel .la-card")
        ids = other.locator(".rv-panel .la-id bdi").all_inner_texts()
        page.keyboard.press("a")
        shown(page)
        other.keyboard.press("k")
        other.wait_for_selector(".rv-panel >> text=Decided in another window")
        assert other.locator(".rv-panel .la-id bdi").all_inner_texts() == ids
        table = load_decisions(place.run / "review" / "decisions.jsonl")
        assert table["action"].to_dict() == dict.fromkeys(ids, "relabel")
        other.keyboard.press("r")
        for left in range(len(ids), 0, -1):
            assert other.locator(".rv-panel .la-card").count() == left
            other.keyboard.press("k")
            until(other, "n => document.querySelectorAll('.rv-panel .la-card').length < n", left)
            other.wait_for_selector("#review:not([aria-busy])")
        shown(other)
        table = load_decisions(place.run / "review" / "decisions.jsonl")
        assert table["action"].to_dict() == dict.fromkeys(ids, "keep")
        assert [one for one in problems if "409" not in one] == []


def test_the_last_decision_of_all_can_be_undone_by_mouse(place: Place) -> None:
    everything = """ranks => fetch("/api/decide", {
        method: "POST", body: JSON.stringify({reviewer: "Ann", ranks, action: "keep"}),
        headers: {
            "Content-Type": "application/json", "X-Review-Token": new URLSearchParams(location.search).get("token"),
        },
    }).then(answer => answer.status)"""
    with browser() as (page, problems), server(place) as (_, url):
        page.goto(url)
        shown(page)
        assert page.evaluate(everything, list(range(len(IDS)))) == 200
        page.reload()
        page.wait_for_selector("text=Every sample is decided")
        page.click("[data-action=undo]")
        assert shown(page)
        assert problems == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_screen(place: Place, scheme: str) -> None:
    with browser(375, scheme) as (page, problems), server(place) as (_, url):
        page.goto(url)
        shown(page)
        until(page, "document.querySelector('.la-image')?.naturalWidth > 0")
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        heights = page.eval_on_selector_all(
            ".rv-single .rv-action", "all => all.map((one) => one.getBoundingClientRect().height)"
        )
        assert min(heights) >= 44, "large enough for a finger"
        picture(page, f"review-375-{scheme}")
        page.keyboard.press("c")
        page.wait_for_selector("dialog[open]")
        assert page.locator("dialog li").count() == len(NAMES)
        picture(page, f"choose-375-{scheme}")
        page.keyboard.press("Enter")
        assert page.locator("dialog li").count() == len(NAMES), "nothing typed is no choice"
        page.keyboard.type("zz")
        page.keyboard.press("Escape")
        page.wait_for_selector("dialog", state="detached")  # one Escape, whatever is typed
        page.keyboard.press("l")
        page.wait_for_selector(".rv-panel")
        assert page.evaluate("document.documentElement.scrollWidth") <= 375
        picture(page, f"lookalikes-375-{scheme}")
        assert problems == []


def test_the_buttons_of_look_alikes_stay_on_a_narrow_screen(place: Place) -> None:
    span = "all => all.map((one) => one.getBoundingClientRect().toJSON())"
    with browser(390) as (page, problems), server(place) as (_, url):
        page.goto(url)
        shown(page)
        for height in (844, 664):
            page.set_viewport_size({"width": 390, "height": height})
            page.keyboard.press("l")
            page.wait_for_selector(".rv-panel .la-card")
            n = page.locator(".rv-panel .la-card").count()
            until(page, "[...document.querySelectorAll('.la-image')].every((one) => one.naturalWidth > 0)")
            page.locator(".rv-panel .la-card").last.evaluate("one => one.scrollIntoView()")
            assert page.evaluate("scrollY") > 300
            buttons = page.eval_on_selector_all(".rv-panel > .rv-actions button", span)
            assert len(buttons) == 7
            assert all(one["left"] >= 0 and one["right"] <= 390 for one in buttons)
            assert all(one["top"] >= 0 and one["bottom"] <= height / 3 for one in buttons), buttons
            assert min(one["height"] for one in buttons) >= 44, "large enough for a finger"
            assert page.evaluate("document.documentElement.scrollWidth") <= 390
            if folder := os.environ.get("LABELAUDIT_SCREENSHOTS"):
                page.screenshot(path=Path(folder) / f"lookalikes-390-{height}.png")
            if height == 844:
                page.keyboard.press("Escape")
                shown(page)
        page.click(".rv-panel [data-action='keep']", timeout=2_000)
        until(page, "n => document.querySelectorAll('.rv-panel .la-card').length !== n", arg=n)
        assert (load_decisions(place.run / "review" / "decisions.jsonl")["action"] == "keep").sum() == n
        assert problems == []


@pytest.mark.parametrize("more", ["images", "rows"])
def test_labels_and_buttons_are_on_the_screen_together(place: Place, tmp_path: Path, more: str) -> None:
    table = [",".join([one, *(f"column {i}" for i in range(12))]) for one in ["id", *IDS]]
    (tmp_path / "rows.csv").write_text("\n".join([*table, ""]))
    options = ["--rows", str(tmp_path / "rows.csv")] if more == "rows" else []
    span = (
        "one => { const { top, bottom } = document.querySelector(one).getBoundingClientRect(); return [top, bottom]; }"
    )
    with browser() as (page, problems), server(place, *options) as (_, url):
        page.goto(url)
        shown(page)
        until(page, "document.querySelector('.la-image')?.naturalWidth > 0")
        for width, height in ((375, 667), (375, 553), (320, 568), (667, 375), (768, 560), (1440, 600)):
            page.set_viewport_size({"width": width, "height": height})
            until(page, "width => innerWidth === width", width)
            parts = [".la-image", ".la-labels", ".rv-actions"]
            image, labels, buttons = (page.evaluate(span, f".rv-single {part}") for part in parts)
            assert image[0] >= 0
            assert 0 <= labels[0] < labels[1] <= buttons[0] < buttons[1] <= height, (width, height, labels, buttons)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert problems == []


def test_long_names_leave_room(tmp_path: Path) -> None:
    long = [f"{kind} {'long ' * 70}" for kind in ("ant", "bee", "cat")]
    scores = np.eye(3)[TRUE][None] * 4 + np.zeros((3, 1, 1))
    found = labelaudit.audit(labelaudit.history_from_arrays(scores, GIVEN, scores_are="logits", class_names=long))
    review = labelaudit.review(found, decisions=tmp_path / "decisions.jsonl", reviewer="Ann")
    with review, browser() as (page, problems):
        page.goto(review.url)
        shown(page)
        pair = page.locator(".rv-aside [data-pair]").first
        assert pair.bounding_box()["height"] < 200
        assert problems == []


def test_in_the_frame_of_a_notebook(place: Place, tmp_path: Path) -> None:
    """A page on another port, as Jupyter's is: keys work in the frame, and the frame is for notebooks only."""
    review = labelaudit.review(labelaudit.audit(place.run), images=place.images, reviewer="Ann")
    (tmp_path / "notebook.html").write_text(f"<!doctype html><body>{review._repr_html_()}</body>")
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as notebook, browser() as (page, problems):
        threading.Thread(target=notebook.serve_forever, daemon=True).start()
        page.goto(f"http://127.0.0.1:{notebook.server_address[1]}/notebook.html")
        frame = page.frames[1]
        frame.wait_for_selector(".rv-single .la-id bdi")
        first = frame.inner_text(".rv-single .la-id bdi")
        frame.click(".rv-main")
        page.keyboard.press("a")
        until(frame, "before => document.querySelector('.la-id bdi').textContent !== before", first)
        picture(page, "notebook-1440")
        assert review.table().index.tolist() == [first]
        assert [one for one in problems if "favicon" not in one and "404" not in one] == []
        review.close()
        with server(place) as (_, url):
            shown_in = (tmp_path / "notebook.html").read_text().replace(review.url, url)
            (tmp_path / "notebook.html").write_text(shown_in)
            page.reload()
            until(page, "() => true")
            page.wait_for_timeout(500)
            assert any("frame-ancestors" in one for one in problems)
        notebook.shutdown()


def test_without_a_name_nothing_is_decided(place: Place) -> None:
    with browser() as (page, problems), server(place, "--reviewer", "") as (_, url):
        page.goto(url)
        page.wait_for_selector("text=Type your name above")
        page.keyboard.press("a")
        page.fill("#rv-name", "Cy")
        page.keyboard.press("Tab")
        shown(page)
        assert page.inner_text(".rv-progress").startswith("0 of")
        assert problems == []
        assert np.all(load_decisions(place.run / "review" / "decisions.jsonl")["action"] == "")
