"""The command line: what is printed, and exit code 2 with one clear line for bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labelaudit import Recorder, plant_mistakes
from labelaudit.auditing.source import FIT_STATE
from labelaudit.cli import main

N, K = 200, 3
TRUE = np.arange(N) % K
GIVEN, PLANTED = plant_mistakes(TRUE, 0.1)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    with Recorder(tmp_path / "run", n_samples=N, planted=PLANTED) as recorder:
        for epoch in range(4):
            scores = rng.normal(size=(N, K))
            scores[np.arange(N), TRUE] += 2 + epoch
            recorder.record(np.arange(N), scores, GIVEN)
            recorder.end_epoch()
    return tmp_path / "run"


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command that must fail; return its one line."""
    assert main([str(argument) for argument in arguments]) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("labelaudit: ")
    assert printed.err.count("\n") == 1, "one line"
    return printed.err


def test_audit(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(run), "--out", str(tmp_path / "audit"), "--csv", str(tmp_path / "issues.csv")]) == 0
    printed = capsys.readouterr().out
    assert "Estimated wrong labels:" in printed
    assert f"Measured on {len(PLANTED)} planted mistakes" in printed
    assert (tmp_path / "audit" / "samples.parquet").is_file()
    assert (tmp_path / "issues.csv").read_text().startswith("sample_id,given_label")


def test_audit_json(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(run), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["n_samples"] == N
    assert found["measured"]["n_planted"] == len(PLANTED)


def strictly(text: str) -> dict:
    """Read JSON as other languages do: NaN is no number."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def test_json_has_no_nan(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(run), "--threshold", "0", "--json", "--out", str(tmp_path / "none")]) == 0
    assert strictly(capsys.readouterr().out)["measured"]["precision"] is None
    assert main(["compare", str(run), str(tmp_path / "none"), "--json"]) == 0
    assert strictly(capsys.readouterr().out)["after"]["measured"]["precision"] is None


def test_audit_of_some_epochs(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(run), "--epochs", "0:2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["window"][1] <= 1
    assert found["n_epochs"] == 2
    for asked in ("90:95", "3:2"):
        assert refused(capsys, "audit", run, "--epochs", asked).endswith(
            f"--epochs {asked} names none of epochs 0 to 3\n"
        )


def test_audit_writes_the_report(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.save(tmp_path / "images.npy", np.zeros((N, 8, 8), np.uint8))
    report = tmp_path / "report.html"
    assert main(["audit", str(run), "--html", str(report), "--images", str(tmp_path / "images.npy")]) == 0
    assert f"Report: {report} (0." in capsys.readouterr().out
    assert "data:image/png" in report.read_text(encoding="utf-8")
    assert main(["audit", str(run), "--html", str(report), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["html"] == str(report)


def test_images_of_the_report_are_checked(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    html = ["--html", str(tmp_path / "report.html")]
    assert "add --html" in refused(capsys, "audit", run, "--images", tmp_path)
    assert "sample_ids=paths" in refused(capsys, "audit", run, *html, "--images", tmp_path)
    assert "is no folder" in refused(capsys, "audit", run, *html, "--images", tmp_path / "typo")
    assert "No such file" in refused(capsys, "audit", run, *html, "--images", tmp_path / "typo.npy")
    np.save(tmp_path / "objects.npy", np.array([None, "x"], dtype=object))
    assert "without pickles" in refused(capsys, "audit", run, *html, "--images", tmp_path / "objects.npy")
    np.save(tmp_path / "few.npy", np.zeros((3, 8, 8)))
    assert "images= has 3 entries" in refused(capsys, "audit", run, *html, "--images", tmp_path / "few.npy")


def test_info(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info", str(run)]) == 0
    printed = capsys.readouterr().out
    assert "finished" in printed
    assert "200 samples, 4 epochs (0 to 3)" in printed
    assert "every file is whole" in printed
    assert main(["info", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["splits"]["train"]["epochs"] == 4


def test_an_audits_folder_is_told_from_a_run(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "my audit"
    assert main(["audit", str(run), "--out", str(folder)]) == 0
    for command in ("audit", "info", "compact", "runs"):
        said = refused(capsys, command, folder)
        assert "is an audit, not a run" in said
        assert f"labelaudit review '{folder}'" in said


def test_info_names_every_damaged_file(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for epoch in (1, 3):
        path = run / "epochs" / "train" / f"e{epoch:05d}-s00-w0000.arrow"
        path.write_bytes(path.read_bytes()[:-10])
    assert main(["info", str(run)]) == 2
    printed = capsys.readouterr().out
    assert "2 damaged" in printed
    assert "(epoch 1)" in printed
    assert "(epoch 3)" in printed


def test_bad_input_is_one_line_and_exit_code_2(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    assert "is empty or does not exist" in refused(capsys, "audit", tmp_path / "empty")
    assert "is empty or does not exist" in refused(capsys, "audit", tmp_path / "typo")
    assert "has no manifest.json" in refused(capsys, "info", tmp_path / "photos")
    arrays = {
        "range.npz": ({"scores": np.zeros((2, 4, 3)), "labels": [0, 1, 2, 3]}, "label 3 is out of range"),
        "nan.npz": ({"scores": np.full((2, 4, 3), np.nan), "labels": [0, 1, 2, 0]}, "scores hold NaN"),
        "length.npz": ({"scores": np.zeros((2, 4, 3)), "labels": [0, 1]}, "lengths differ"),
        "one.npz": ({"scores": np.zeros((2, 4, 3)), "labels": [1, 1, 1, 1]}, "all 4 samples have one label"),
    }
    for name, (content, message) in arrays.items():
        np.savez(tmp_path / name, **{key: np.asarray(value) for key, value in content.items()})
        assert message in refused(capsys, "audit", tmp_path / name)
    path = run / "epochs" / "train" / "e00002-s00-w0000.arrow"
    path.write_bytes(path.read_bytes()[:500])
    assert "(epoch 2) is damaged" in refused(capsys, "audit", run)
    manifest = run / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"format_version": 1', '"format_version": 99'))
    assert "format version 99" in refused(capsys, "audit", run)


def test_a_folder_that_may_not_be_written(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "Not a directory" in refused(capsys, "audit", run, "--out", run / "manifest.json" / "audit")


def test_places_are_checked_before_the_work(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("pipeline.audit_labels", "comparison.open_audit"):
        monkeypatch.setattr(f"labelaudit.auditing.{module}", None)
    (tmp_path / "a.txt").write_text("x")
    for option in ("--csv", "--html"):
        assert f"{option} {tmp_path} is a folder; name a file" in refused(capsys, "audit", run, option, tmp_path)
    assert f"--csv {tmp_path} is a folder" in refused(capsys, "compare", run, run, "--csv", tmp_path)
    assert "a.txt is a file; name a folder" in refused(capsys, "audit", run, "--out", tmp_path / "a.txt")
    assert "a.txt is a file; name a folder" in refused(capsys, "demo", "--out", tmp_path / "a.txt")
    assert "holds other files (a.txt)" in refused(capsys, "audit", run, "--out", tmp_path)
    assert f"{tmp_path / 'a.txt'}: Not a directory" in refused(capsys, "audit", run, "--csv", tmp_path / "a.txt" / "b")


def test_an_error_of_writing_names_the_place_asked_for(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("labelaudit.cli.check_place", lambda option, place, kind: None)
    assert refused(capsys, "audit", run, "--csv", tmp_path) == f"labelaudit: {tmp_path}: Is a directory\n"


def test_a_key_is_overwritten_when_told_to(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(run), "--key", "k1"]) == 0
    assert "(--overwrite)" in refused(capsys, "audit", run, "--key", "k1")
    assert main(["audit", str(run), "--key", "k1", "--overwrite"]) == 0


def test_folders_that_are_no_runs(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(run), "--out", str(tmp_path / "audit")]) == 0
    said = refused(capsys, "audit", tmp_path / "audit")
    assert f"audit is an audit, not a run. Look at it with labelaudit.load_audit('{tmp_path}/audit')" in said
    results = tmp_path / "results"
    (results / "histories" / "repeat-00").mkdir(parents=True)
    (results / FIT_STATE).write_text("{}")
    said = refused(capsys, "audit", results)
    assert "holds the results of labelaudit fit: its audit is " in said
    assert f"{results}/histories/repeat-00. Name some of these" in said


def test_partitions_need_a_cluster(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "(--dask ADDRESS)" in refused(capsys, "audit", run, "--partitions", tmp_path / "parts")


def test_output_that_nobody_reads_on_ends_quietly(run: Path) -> None:
    command = [sys.executable, "-m", "labelaudit", "info", str(run)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141


def test_names_do_not_steer_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    scores = rng.normal(0, 0.5, (3, 200, 2)) + 3 * np.eye(2)[labels]
    given = np.where(np.arange(200) < 10, 1 - labels, labels)
    ids = [f"{i}\x1b]0;mine\x07\u202e.png" for i in range(200)]
    with Recorder(tmp_path / "run", class_names=["cat\x1b[2J", "dog\x9b1m"], sample_ids=ids, n_samples=200) as recorder:
        for epoch in scores:
            recorder.record(np.arange(200), epoch, given)
            recorder.end_epoch()
    assert main(["audit", str(tmp_path / "run")]) == 0
    assert main(["audit", str(tmp_path / "\x1b[2J")]) == 2
    captured = capsys.readouterr()
    assert "cat\\x1b[2J" in captured.out
    assert "\\x07\\u202e.png" in captured.out
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(captured.out + captured.err)


def test_a_line_break_in_an_id_or_a_name_makes_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names, ids = ["cat\nFlagged: 0", "dog\u2028\t"], [f"{i}\r\nFlagged: 0\n.png" for i in range(200)]
    labels = np.arange(200) % 2
    given = np.where(np.arange(200) < 10, 1 - labels, labels)
    for run, known in (("before", given), ("after", labels)):
        with Recorder(run, class_names=names, sample_ids=ids, n_samples=200) as recorder:
            for _ in range(3):
                recorder.record(np.arange(200), 3 * np.eye(2)[labels], known)
                recorder.end_epoch()
    Path("labels.json").write_text(json.dumps(dict(zip(ids, (names[one] for one in given), strict=True))))
    for command in (
        "audit before --out audit",
        "compare before after",
        "relabel labels.json --audit audit --dry-run --min-confidence 0",
    ):
        assert main(command.split()) == 0
        lines = capsys.readouterr().out.splitlines()
        assert any("\\r\\nFlagged: 0\\n.png: " in line for line in lines)
        assert not any(line.startswith("Flagged: 0") for line in lines)
    assert "a\\nb" in refused(capsys, "relabel", "a\nb", "--audit", "audit", "--dry-run")


def test_unknown_commands_and_options(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["audti"], ["audit"], ["audit", "x", "--epochs", "two"]):
        with pytest.raises(SystemExit) as stopped:
            main(arguments)
        assert stopped.value.code == 2
        assert "Traceback" not in capsys.readouterr().err


def test_demo_options_are_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "--fraction 2.0" in refused(capsys, "demo", "--fraction", "2", "--out", tmp_path)
    assert "--epochs 0" in refused(capsys, "demo", "--epochs", "0", "--out", tmp_path)


def test_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["demo", "--json", "--out", str(tmp_path / "demo")]) == 0
    found = json.loads(capsys.readouterr().out)
    promised = {"recall", "precision", "f1", "f1_at_n", "average_precision", "correction_accuracy"}
    promised |= {"n_planted", "n_flagged", "seconds", "history", "audit"}
    assert promised <= set(found)
    assert found["average_precision"] >= 0.97
    assert found["f1"] >= 0.90
    assert found["n_planted"] == 180
    assert found["seconds"] < 60
    assert Path(found["history"], "manifest.json").is_file()
    assert Path(found["audit"], "audit.json").is_file()
    assert "Digits with planted mistakes" in Path(found["html"]).read_text(encoding="utf-8")
