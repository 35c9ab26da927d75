"""What cannot be seen in a name is written as a code; a joiner that joins something is part of the name."""

from __future__ import annotations

import random
import unicodedata
from typing import Any
from urllib.parse import quote

import pytest

import labelaudit
from labelaudit.report.hidden import visible
from labelaudit.report.static_files import static_text
from tests.report.open_page import opened
from tests.report.sample_audits import history_of_names

ZWNJ, ZWJ = "\u200c", "\u200d"
LEGITIMATE = {
    "family": "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "couple with heart": "\U0001f469\u200d\u2764\ufe0f\u200d\U0001f468",
    "woman detective, dark skin": "\U0001f575\U0001f3ff\u200d\u2640\ufe0f",
    "Persian: I want": "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
    "Hindi: half letter": "\u0915\u094d\u200d\u0937",
    "Hindi: no ligature": "\u0915\u094d\u200c\u0937",
    "Sinhala: Sri": "\u0dc1\u0dca\u200d\u0dbb\u0dd3",
    "Bengali: ra with ya": "\u09b0\u200d\u09cd\u09af",
    "Malayalam: a chillu at the end": "\u0d05\u0d35\u0d28\u0d4d\u200d",
}


@pytest.mark.parametrize("name", LEGITIMATE.values(), ids=LEGITIMATE.keys())
def test_a_joiner_that_joins_stays(name: str) -> None:
    assert visible(name) == name
    assert visible(f"{name}\u202e") == f"{name}\u27e8U+202E\u27e9"


@pytest.mark.parametrize(
    "name",
    [
        "ca{}t",
        "{}cat",
        "cat{}",
        "1{}2",
        "\u5b57{}\u5b57",
        "\U0001f468{}",
        "{}\u0645",
        "\u0645{} \u06cc",
        "\u0661{}\u0662",
    ],
)
@pytest.mark.parametrize("joiner", [ZWNJ, ZWJ])
def test_a_joiner_that_joins_nothing_is_written_as_a_code(name: str, joiner: str) -> None:
    assert visible(name.format(joiner)) == name.format(f"\u27e8U+{ord(joiner):04X}\u27e9")


def test_of_two_joiners_the_one_too_many_is_written_as_a_code() -> None:
    assert visible(f"\u0645{ZWNJ}{ZWNJ}\u062e").count("\u27e8U+200C\u27e9") == 2
    assert visible(f"\u0915\u094d{ZWJ}{ZWJ}\u0937") == f"\u0915\u094d{ZWJ}\u27e8U+200D\u27e9\u0937"


def test_other_hidden_characters_are_seen_wherever_they_are() -> None:
    for code in (0, 0x1B, 0x7F, 0xAD, 0x200B, 0x200E, 0x202E, 0x2066, 0xFEFF):
        for before, after in (
            ("a", "b"),
            ("\u0645", "\u062e"),
            ("\U0001f468", "\U0001f469"),
            ("\u0915\u094d", "\u0937"),
        ):
            assert visible(f"{before}{chr(code)}{after}") == f"{before}\u27e8U+{code:04X}\u27e9{after}"
    assert visible("a\tb\nc d") == "a\tb\nc d"
    assert visible("  ") == "\u27e8U+0020\u27e9" * 2, "a name of spaces only could not be seen"
    assert visible("") == ""


def test_a_virama_is_one_by_unicode() -> None:
    joining = [code for code in range(0x10000) if visible(f"{chr(code)}{ZWJ}") == f"{chr(code)}{ZWJ}"]
    assert 0x094D in joining
    assert all(unicodedata.combining(chr(code)) == 9 for code in joining), "canonical combining class 9: viramas"


@pytest.mark.external
def test_python_and_javascript_make_the_same_characters_visible(browser: Any) -> None:
    draw = random.Random(0)
    alphabet = [*"a1 \t\n", *(c for name in LEGITIMATE.values() for c in name), ZWNJ, ZWJ, "\u202e", "\u0661", "\u2190"]
    names = [f"a{chr(code)}" for code in range(0x10000) if not 0xD800 <= code < 0xE000]
    names += [f"{chr(code)}{joiner}{chr(code)}" for code in range(0x600, 0x3000) for joiner in (ZWNJ, ZWJ)]
    names += [f"{chr(code)}{ZWJ}{chr(code)}" for code in [*range(0xA800, 0xAC00), *range(0x1F000, 0x1FC00)]]
    names += ["".join(draw.choices(alphabet, k=draw.randint(0, 6))) for _ in range(20_000)]
    page = browser.new_page()
    try:
        shown = page.evaluate(
            "async ([script, names]) => names.map((await import(script)).visible)",
            ["data:text/javascript;charset=utf-8," + quote(static_text("card.js")), names],
        )
    finally:
        page.close()
    assert [name for name, in_script in zip(names, shown, strict=True) if visible(name) != in_script] == []


@pytest.mark.external
def test_a_family_is_one_sign_in_the_report(browser: Any, tmp_path: Any) -> None:
    family, persian = LEGITIMATE["family"], LEGITIMATE["Persian: I want"]
    labelaudit.audit(history_of_names([family, persian, f"c{ZWJ}at", "dog"])).to_html(tmp_path / "report.html")
    with opened(browser, tmp_path / "report.html") as page:
        text = page.locator("main").text_content() or ""
        assert family in text
        assert persian in text
        assert f"c{ZWJ}at" not in text
        assert "c\u27e8U+200D\u27e9at" in text
