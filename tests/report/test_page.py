"""The report as a file: what is in it, that nothing is loaded, and that data stays data."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import numpy as np
import pytest

import labelaudit
from labelaudit import LabelAuditError, history_from_arrays
from labelaudit.cli import main
from labelaudit.report.page import make_report
from labelaudit.report.static_files import bundled, json_for_script, source_hash, static_text
from tests.report.sample_audits import GIVEN, HOSTILE, NAMES, N, history_of_names, logits


def data_of(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_the_file_holds_the_answer_and_the_cards(audit: labelaudit.Audit, tmp_path: Path) -> None:
    report = audit.to_html(tmp_path / "report.html", texts=lambda sample: f"text of {sample}", title="My data")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page == report.html
    assert report.size == (tmp_path / "report.html").stat().st_size
    assert f"About <strong>{audit.summary['estimated_errors']:,}</strong> labels are wrong" in page
    assert "<title>My data</title>" in page
    data = data_of(page)
    worst = audit.issues.iloc[0]
    first = data["cards"][0]
    assert len(data["cards"]) == report.n_cards == N
    assert first["id"] == audit.issues.index[0]
    assert first["given"] == worst["given_label"]
    assert first["suggested"] == worst["suggested_label"]
    assert first["reason"] == worst["reason"]
    assert first["text"] == f"text of {first['id']}"
    assert len(first["curve"]["given"]) == len(data["learning"]["epochs"]) == 8
    quality = [card["quality"] for card in data["cards"]]
    assert quality == sorted(quality)


def test_what_to_html_returns_is_short_where_it_is_printed(audit: labelaudit.Audit, tmp_path: Path) -> None:
    report = audit.to_html(tmp_path / "report.html", max_cards=5)
    assert repr(report).splitlines()[0] == f"<report of 5 samples, {report.size / 1e6:.1f} MB>"
    assert repr(report).splitlines()[1:] == report.notes
    assert repr(audit.show(max_cards=5)).startswith("<report of 5 samples, ")


def test_the_next_command_can_be_typed_as_it_stands(tmp_path: Path) -> None:
    runs = [tmp_path / "my run", tmp_path / "other"]
    for run in runs:
        with labelaudit.Recorder(run) as recorder:
            recorder.record(np.arange(N), logits()[0], GIVEN)
            recorder.end_epoch()
    one, several, memory = (
        re.sub(r"\s+", " ", html.unescape(make_report(labelaudit.audit(place)).html).split("<h3>Next</h3>")[1])
        for place in (runs[0], runs, history_of_names(None))
    )
    assert f"<code>labelaudit review '{runs[0]}'</code>" in one
    for text in (several, memory):
        assert '<code>audit.save("audit")</code>, then <code>labelaudit review audit</code>' in text


def next_steps(audit: labelaudit.Audit) -> str:
    said = html.unescape(make_report(audit).html).split("<h3>Next</h3>")[1].split("</ol>")[0]
    return re.sub(r"\s+", " ", said)


def test_the_review_that_is_named_is_of_the_samples_that_are_shown(tmp_path: Path) -> None:
    run, saved = tmp_path / "run", tmp_path / "my audit"
    with labelaudit.Recorder(run) as recorder:
        recorder.record(np.arange(N), logits()[0], GIVEN)
        recorder.end_epoch()
    plain = labelaudit.audit(run)
    for options, typed in (
        ({"threshold": 0.7}, "--threshold 0.7"),
        ({"expected_error_rate": 0.25}, "--expected-error-rate 0.25"),
    ):
        found = labelaudit.audit(run, **options)
        assert len(found.issues) != len(plain.issues)
        said = next_steps(found)
        assert (
            f"<code>labelaudit audit {run} {typed} --out audit</code>, then <code>labelaudit review audit</code>"
            in said
        )
        assert main(["audit", str(run), *typed.split(), "--out", str(tmp_path / "again"), "--top", "0"]) == 0
        assert labelaudit.load_audit(tmp_path / "again").issues.index.tolist() == found.issues.index.tolist()
        found.save(saved)
        for one in (found, labelaudit.load_audit(saved)):
            assert f"<code>labelaudit review '{saved}'</code>" in next_steps(one)
    beyond = labelaudit.audit(run, epochs=[0])
    assert '<code>audit.save("audit")</code>, then <code>labelaudit review audit</code>' in next_steps(beyond)
    plain.save(saved)
    assert f"<code>labelaudit review {run}</code>" in next_steps(plain), "its decisions stay with the run"


def test_a_share_of_no_flagged_samples_is_not_shown() -> None:
    none_flagged = labelaudit.audit(history_of_names(NAMES), threshold=0)
    page = re.sub(r"\s+", " ", make_report(none_flagged).html)
    assert "planted mistakes: 0.0 % of them are flagged (recall).</p>" in page
    assert "nan" not in page.split("<h3>Next</h3>")[0]


def test_nothing_is_loaded_from_anywhere(audit: labelaudit.Audit) -> None:
    page = make_report(audit).html
    sources = re.findall(r'\b(?:src|href|action)="([^"]*)"', page)
    assert all(source.startswith(("#", "data:")) for source in sources)
    without_svg_name = page.replace("http://www.w3.org/2000/svg", "")
    assert "http:" not in without_svg_name
    assert "https:" not in without_svg_name
    assert "@import" not in page
    assert "url(" not in page


def test_the_policy_names_the_script_and_the_style_that_are_in_the_page(audit: labelaudit.Audit) -> None:
    page = make_report(audit).html
    policy = html.unescape(re.search(r'Content-Security-Policy" content="([^"]*)"', page)[1])
    script = re.search(r'<script type="module">(.*?)</script>', page, re.DOTALL)[1]
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]
    assert source_hash(script) in policy
    assert source_hash(style) in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_names_and_ids_from_data_stay_data(hostile_audit: labelaudit.Audit) -> None:
    texts = [HOSTILE[i % 4] for i in range(N)]
    page = make_report(hostile_audit, texts=texts, rows=lambda _: {HOSTILE[0]: HOSTILE[1]}, title=HOSTILE[0]).html
    assert page.count("<script") == 2
    assert page.count("</script") == 2
    assert "<img" not in page.replace("&lt;img", "")
    assert "49" not in re.search(r"<h1>.*?</h1>", page)[0], "a name is no template"
    first = data_of(page)["cards"][0]
    assert first["text"] in HOSTILE
    assert first["row"] == [[HOSTILE[0], HOSTILE[1]]]


def test_strings_that_are_no_unicode_are_written(audit: labelaudit.Audit) -> None:
    texts = ["lone \ud800 surrogate", "nul \0", "line \u2028 break", "dog"] * (N // 4)
    report = make_report(audit, texts=texts, title="\udfff")
    assert report.html.encode()
    assert {card["text"] for card in data_of(report.html)["cards"]} == set(texts)
    assert json.loads(json_for_script(texts)) == texts


def test_only_the_worst_get_cards_and_the_report_says_so(audit: labelaudit.Audit) -> None:
    report = make_report(audit, max_cards=10)
    assert len(data_of(report.html)["cards"]) == 10
    assert any("10 most suspicious of 400" in note for note in report.notes)
    assert "10 most suspicious of 400" in report.html


def test_the_report_says_how_many_have_no_image(audit: labelaudit.Audit) -> None:
    some = {one: np.ones((8, 8)) for one in audit.samples.index[3:]}
    report = make_report(audit, images=some)
    assert report.notes[-1] == "No image was found for 3 of the samples shown."
    assert not any("No image" in note for note in make_report(audit).notes)


def test_images_are_bounded_and_the_report_says_so(audit: labelaudit.Audit) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (N, 64, 64, 3), dtype=np.uint8)
    report = make_report(audit, images=images, max_image_bytes=50_000)
    assert any("left out to bound" in note for note in report.notes)
    assert report.size < 600_000


def test_without_a_history_there_are_no_curves(audit: labelaudit.Audit, tmp_path: Path) -> None:
    audit.save(tmp_path / "audit")
    loaded = labelaudit.load_audit(tmp_path / "audit")
    report = make_report(loaded)
    assert data_of(report.html)["cards"][0]["curve"] is None
    assert any("pass history=" in note for note in report.notes)
    again = make_report(loaded, history=history_of_names(NAMES, [f"img/{i}.png" for i in range(N)]))
    assert data_of(again.html)["cards"][0]["curve"] is not None


def test_a_saved_audit_finds_its_history_where_it_was(tmp_path: Path) -> None:
    with labelaudit.Recorder(tmp_path / "run", n_samples=N) as recorder:
        for z in logits():
            recorder.record(np.arange(N), z, GIVEN)
            recorder.end_epoch()
    labelaudit.audit(tmp_path / "run").save(tmp_path / "audit")
    loaded = labelaudit.load_audit(tmp_path / "audit")
    assert data_of(make_report(loaded).html)["cards"][0]["curve"] is not None
    (tmp_path / "run" / "manifest.json").write_text("{")
    assert data_of(make_report(loaded).html)["cards"][0]["curve"] is None


def test_the_history_of_another_audit_is_refused(audit: labelaudit.Audit) -> None:
    with pytest.raises(LabelAuditError, match="is not the history of this audit"):
        make_report(audit, history=history_of_names(NAMES))
    other = history_from_arrays(logits(), np.roll(GIVEN, 1), sample_ids=[f"img/{i}.png" for i in range(N)])
    with pytest.raises(LabelAuditError, match="samples or labels differ"):
        make_report(audit, history=other)


def test_options_out_of_range(audit: labelaudit.Audit) -> None:
    with pytest.raises(LabelAuditError, match="max_cards=0"):
        make_report(audit, max_cards=0)
    with pytest.raises(LabelAuditError, match="thumbnail_size=4"):
        make_report(audit, thumbnail_size=4)


def test_audits_at_the_edge() -> None:
    clean = labelaudit.audit(history_of_names(None), threshold=0.0)
    assert "there is nothing to correct" in make_report(clean).html
    everything = labelaudit.audit(history_of_names(None), expected_error_rate=1.0)
    assert data_of(make_report(everything).html)["learning"]["clean"] == [None] * 8
    snapshot = labelaudit.audit(history_from_arrays(logits()[:1], GIVEN))
    assert len(data_of(make_report(snapshot).html)["learning"]["epochs"]) == 1


def test_scripts_of_one_bundle_share_no_name() -> None:
    from labelaudit.report.page import SCRIPTS

    tops = re.findall(r"^(?:function|const|let|class) (\w+)", bundled(*SCRIPTS), re.MULTILINE)
    assert len(tops) == len(set(tops))
    for name in SCRIPTS:
        assert len(static_text(name).splitlines()) <= 250
        assert "innerHTML" not in static_text(name)
    assert not re.search(r"^(import|export) ", bundled(*SCRIPTS), re.MULTILINE)


def test_inline_in_a_notebook(hostile_audit: labelaudit.Audit) -> None:
    shown = hostile_audit.show(max_cards=20, height=500)
    output = shown._repr_html_()
    assert output.startswith("<iframe ")
    assert output.count("<") == 2, "the page is one escaped attribute"
    assert 'sandbox="allow-scripts"' in output
    assert html.unescape(re.search(r'srcdoc="([^"]*)"', output)[1]) == shown.report.html
    assert "20 samples" in repr(shown)
    assert hostile_audit._repr_html_().startswith("<iframe ")
