"""What a user types and reads."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from labelaudit.cli import main
from labelaudit.fitting.config import KEYS
from labelaudit.fitting.fitted import Fitted
from tests.fitting.conftest import write_tree


def test_init_then_fit_then_relabel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    planted = write_tree(tmp_path / "photos", per_class=40, wrong=2)
    assert main(["fit", "--init", "--data-path", "photos", "--n-repeats", "2", "--num-epochs", "8"]) == 0
    assert "labelaudit fit labelaudit-fit.yaml" in capsys.readouterr().out
    assert main(["fit", "labelaudit-fit.yaml", "--batch-size", "16"]) == 0
    said = capsys.readouterr()
    assert "120 images of 3 classes (40 to 40 images each)" in said.err
    assert "12 x 12 pixels, grey" in said.err
    assert "100% of the images get a prediction by a model that never saw them" in said.err
    assert "An epoch takes" in said.err
    assert max(map(len, said.err.splitlines())) <= 80
    assert "Corrections: 6" in said.out
    assert main(["relabel", "results", "--sensitivity", "0.5", "--dry-run"]) == 0
    assert "Would change 6 labels" in capsys.readouterr().out
    assert main(["relabel", "results", "--sensitivity", "0.5", "--out", "corrected"]) == 0
    for file, true in planted.items():
        assert (tmp_path / "corrected" / true / Path(file).name).is_file()
        assert (tmp_path / "photos" / file).is_file()


def test_json(fitted: Fitted, capsys: pytest.CaptureFixture[str]) -> None:
    config = fitted.folder / "config.yaml"
    assert main(["fit", str(config), "--json"]) == 0
    said = capsys.readouterr()
    facts = json.loads(said.out)
    assert said.err == ""
    assert facts["n_images"] == 120
    assert Path(facts["corrections"]).is_file()
    assert facts["summary"]["n_runs"] == 2


def test_every_key_is_an_option(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["fit", "--help"])
    said = capsys.readouterr().out
    for key in KEYS:
        assert f"--{key.name.replace('_', '-')}" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "labelaudit fit --init"),
        (["none.yaml"], "there is no configuration none.yaml"),
        (["--data-path", "nowhere"], "there is no folder or file nowhere"),
        (["--data-path", "."], "lies inside"),
        (["--data-path", ".", "--n-repeats", "0"], "n_repeats: 0 is out of range"),
        (["--data-path", ".", "--splits", "folds"], "splits: 'folds' is unknown"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["fit", *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_init_overwrites_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("mine")
    assert main(["fit", "--init", str(file)]) == 2
    assert file.read_text() == "mine"
    assert "never overwritten" in capsys.readouterr().err


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Results of pictures with mistakes, some of them of one name in two folders."""
    planted = write_tree(tmp_path / "data", per_class=30, wrong=2)
    for file in planted:  # every mistake has a namesake where it belongs
        other = tmp_path / "data" / planted[file] / Path(file).name
        other.write_bytes((tmp_path / "data" / planted[file] / f"{planted[file]}010.png").read_bytes())
    options = ["--n-repeats", "2", "--num-epochs", "8", "--batch-size", "16", "--quiet"]
    assert main(["fit", "--data-path", str(tmp_path / "data"), "--results-path", str(tmp_path / "r"), *options]) == 0
    capsys.readouterr()
    return tmp_path


def files(root: Path) -> dict[str, bytes]:
    return {file.relative_to(root).as_posix(): file.read_bytes() for file in root.rglob("*") if file.is_file()}


def test_relabelling_in_place_loses_no_file_and_is_undone(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(run / "data")
    assert main(["relabel", str(run / "r"), "--sensitivity", "0.5", "--in-place", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["n_changed"] == 6
    moved = files(run / "data")
    assert sorted(moved.values()) == sorted(before.values())
    assert sum(name.endswith("-2.png") for name in moved) == 6
    assert main(["relabel", "--undo", facts["undo_log"]]) == 0
    assert files(run / "data") == before


@pytest.mark.parametrize("how", ["copy", "link"])
def test_relabelling_into_a_copy_or_links(run: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(run / "data")
    assert main(["relabel", str(run / "r"), "--sensitivity", "50", "--out", str(run / "new"), "--how", how]) == 0
    assert files(run / "data") == before
    new = files(run / "new")
    assert sorted(new.values()) == sorted(before.values())
    assert set(new) != set(before)


def test_what_relabel_changes_is_what_the_table_says(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = pd.read_csv(run / "r" / "corrections.csv", index_col=0)
    for sensitivity in ("0.5", "0.9"):
        assert main(["relabel", str(run / "r"), "--sensitivity", sensitivity, "--dry-run", "--json"]) == 0
        changes = json.loads(capsys.readouterr().out)["changes"]
        sure = (table["label"] != table["corrected_label"]) & (table["suggestion_confidence"] >= float(sensitivity))
        assert {row["sample_id"] for row in changes} == set(table.index[sure])
    assert set(table.index[table["relabel"]]) == set(table.index[sure])  # 0.9 is the default
    options = ["--n-repeats", "2", "--num-epochs", "8", "--batch-size", "16", "--quiet", "--sensitivity", "0.5"]
    assert main(["fit", "--data-path", str(run / "data"), "--results-path", str(run / "r"), *options]) == 0
    capsys.readouterr()
    assert main(["relabel", str(run / "r"), "--dry-run"]) == 0  # as the run says, unless it is said anew
    assert "Would change 6 labels" in capsys.readouterr().out


def test_relabelling_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    planted = write_tree(tmp_path / "data", per_class=40, wrong=2)
    names = sorted(str(file.relative_to(tmp_path)) for file in (tmp_path / "data").rglob("*.png"))
    labels = [Path(name).parent.name for name in names]
    pd.DataFrame({"path": names, "label": labels}).to_csv(tmp_path / "labels.csv", index=False)
    options = ["--n-repeats", "2", "--num-epochs", "8", "--batch-size", "16", "--quiet"]
    place = ["--data-path", str(tmp_path / "labels.csv"), "--results-path", str(tmp_path / "r")]
    assert main(["fit", *place, *options]) == 0
    assert main(["relabel", str(tmp_path / "r"), "--sensitivity", "0.5", "--out", str(tmp_path / "new.csv")]) == 0
    new = pd.read_csv(tmp_path / "new.csv", index_col="path")["label"]
    assert new[[f"data/{file}" for file in planted]].tolist() == list(planted.values())


def test_an_unfinished_run_is_not_applied(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "r" / "audit" / "audit.json").unlink()
    assert main(["relabel", str(run / "r"), "--dry-run"]) == 2
    assert "is not finished" in capsys.readouterr().err


def test_init_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--init", str(tmp_path / "x.yaml"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"config": str(tmp_path / "x.yaml")}
