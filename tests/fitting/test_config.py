"""The keys: from a file, from options, and what is wrong with them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from labelaudit import LabelAuditError
from labelaudit.fitting.config import KEYS, FitConfig, read_config


def test_the_written_configuration_reads_back_as_it_is(tmp_path: Path) -> None:
    config = FitConfig(data_path="my: data #1", model_weights="on", n_repeats=7, test_split=0.25, track_eval=True)
    file = tmp_path / "fit.yaml"
    file.write_text(config.to_yaml(), encoding="utf-8")
    assert read_config(file) == config
    assert read_config(file, seed=4) == dataclasses.replace(config, seed=4)


def test_every_key_is_in_the_file_with_its_meaning() -> None:
    lines = FitConfig().to_yaml().splitlines()
    for key in KEYS:
        assert any(line.startswith(f"{key.name}:") for line in lines)
        assert any(key.metadata["meaning"] in line for line in lines if line.startswith("#"))


def test_the_keys_of_auto_correct_labels_are_all_known(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "model_name: alexnet\nmodel_weights: w.pt\ndata_path: ./data\nn_repeats: 3\nbatch_size: 32\nnum_workers: 12\n"
        "learning_rate: 0.001\nnum_epochs: 3\ntrack_eval: False\ntest_split: 0.2\nval_split: 0.2\nffcv: False\n"
        "results_path: ./results/corrected_labels.csv\npred_tracker: temp/t.pickle\nseed: 1\n"
    )
    config = read_config(file)
    assert (config.fast_loader, config.pred_tracker, config.num_workers) == (False, "temp/t.pickle", 12)
    assert (config.folder, config.csv) == (Path("results"), Path("results/corrected_labels.csv"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("n_repeat: 3", "no key 'n_repeat'; did you mean n_repeats"),
        ("n_repeats: three", "n_repeats: 'three' is of the wrong kind; expected a whole number, 1 or more"),
        ("n_repeats: 2.5", "n_repeats: 2.5 is of the wrong kind; expected a whole number, 1 or more"),
        ("n_repeats: '2.5'", "n_repeats: '2.5' is of the wrong kind; expected a whole number, 1 or more"),
        ("learning_rate: low", "learning_rate: 'low' is of the wrong kind; expected a number, 1e-09 or more"),
        ("learning_rate: .inf", "learning_rate: inf is out of range; expected 1e-09 or more"),
        ("learning_rate: -1e-3", "learning_rate: -0.001 is out of range; expected 1e-09 or more"),
        ("n_repeats: true", "n_repeats: True is of the wrong kind"),
        ("n_repeats: 0", "n_repeats: 0 is out of range"),
        ("test_split: 1.5", "test_split: 1.5 is out of range; expected 0.01 to 0.9"),
        ("test_split: .nan", "test_split: nan is out of range"),
        ("splits: folds", "splits: 'folds' is unknown; expected one of kfold, random"),
        ("- 3", "holds a list; expected lines such as"),
        ("data_path: [", "is no YAML that can be read"),
        ("a: !!python/object/apply:os.system ['true']", "is no YAML that can be read"),
        ("data_path: 3", "data_path: 3 is of the wrong kind; expected a text"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "fit.yaml"
    file.write_text(text)
    with pytest.raises(LabelAuditError, match=message):
        read_config(file)


def test_a_key_without_a_value_and_an_empty_file_mean_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "fit.yaml"
    file.write_text("model_weights:\nn_repeats:\n")
    assert read_config(file) == FitConfig()
    file.write_text("")
    assert read_config(file) == FitConfig()


def test_numbers_that_yaml_takes_for_texts(tmp_path: Path) -> None:
    file = tmp_path / "fit.yaml"
    file.write_text("learning_rate: 1e-3\nbatch_size: 1e2\nseed: '7'\n")
    found = read_config(file)
    assert (found.learning_rate, found.batch_size, found.seed) == (0.001, 100, 7)
    assert isinstance(found.batch_size, int)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(LabelAuditError, match="labelaudit fit --init"):
        read_config(tmp_path / "none.yaml")


def test_without_pyyaml_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "fit.yaml").write_text("seed: 1")
    monkeypatch.setitem(__import__("sys").modules, "yaml", None)
    with pytest.raises(LabelAuditError, match=r'pip install "labelaudit\[train\]"'):
        read_config(tmp_path / "fit.yaml")
