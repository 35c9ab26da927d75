"""The whole way from a folder to corrections."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import labelaudit
from labelaudit import LabelAuditError
from labelaudit.fitting.config import FitConfig
from labelaudit.fitting.fitted import Fitted
from labelaudit.fitting.fitting import fit
from labelaudit.fitting.state import claim, read_state
from tests.fitting.conftest import CLASSES, TINY, picture, write_tree

SEED_COLUMNS = ["label", "corrected_label", "num_preds", "%"]


def test_planted_mistakes_are_found_and_corrected(fitted: Fitted, tree: tuple[Path, dict[str, str]]) -> None:
    planted = tree[1]
    flagged = set(fitted.corrections.index[fitted.corrections["is_label_issue"]])
    assert flagged == set(planted)
    assert fitted.corrections.loc[list(planted), "corrected_label"].to_dict() == planted
    assert fitted.coverage == 1


def test_everything_is_written(fitted: Fitted, tree: tuple[Path, dict[str, str]]) -> None:
    folder = fitted.folder
    table = pd.read_csv(folder / "corrections.csv")
    assert table.columns[:5].tolist() == ["filename", *SEED_COLUMNS]
    assert len(table) == 120
    assert labelaudit.load_audit(folder / "audit").samples.index.tolist() == table["filename"].tolist()
    assert [path.name for path in fitted.histories] == ["repeat-00", "repeat-01"]
    assert (folder / "unreadable.csv").read_text() == "filename,reason\n"
    assert labelaudit.fitting.config.read_config(folder / "config.yaml") == fitted.config
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/") >= 6
    assert not (folder / "checkpoints").exists()
    assert "labelaudit relabel" in str(fitted)
    assert fitted.to_dict()["n_relabel"] == fitted.n_sure <= fitted.n_corrected == len(tree[1])


def test_nothing_in_the_data_is_changed(fitted: Fitted, tree: tuple[Path, dict[str, str]]) -> None:
    assert sum(1 for file in tree[0].rglob("*") if file.is_file()) == 120


def test_images_are_in_natural_order(fitted: Fitted) -> None:
    assert fitted.corrections.index[:3].tolist() == ["bar/bar002.png", "bar/bar003.png", "bar/bar004.png"]
    assert fitted.corrections.index.is_unique


def test_a_second_call_trains_nothing_and_finds_the_same(
    fitted: Fitted, tree: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    import labelaudit.callbacks.training.one_repeat as one_repeat

    monkeypatch.setattr(one_repeat, "train_repeat", None)
    again = fit(fitted.config, progress=False)
    pd.testing.assert_frame_equal(again.corrections, fitted.corrections)


def test_more_repeats_go_on_with_the_same_folds(tree: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    options = {**TINY, "num_epochs": 1, "data_path": tree[0]}
    fit(results_path=tmp_path / "r", **{**options, "n_repeats": 2})
    before = {file: file.read_bytes() for file in (tmp_path / "r" / "histories").rglob("*.arrow")}
    more = fit(results_path=tmp_path / "r", **{**options, "n_repeats": 3})
    assert all(file.read_bytes() == content for file, content in before.items())
    state = read_state(tmp_path / "r")
    assert state is not None
    assert (state.folds, sorted(state.repeats)) == (2, [0, 1, 2])
    assert set(more.corrections["num_preds"]) == {1, 2}


def test_one_repeat_predicts_a_fifth_and_audits_all(tree: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    found = fit(data_path=tree[0], results_path=tmp_path / "r", **{**TINY, "n_repeats": 1})
    assert found.coverage == pytest.approx(0.2, abs=0.01)
    never = found.corrections["num_preds"] == 0
    assert never.sum() == 96
    assert found.corrections.loc[never, ["%", "%_low", "voted_label", "corrected_probability"]].isna().all(axis=None)
    assert len(found.corrections) == 120
    flagged = set(found.corrections.index[found.corrections["is_label_issue"]])
    assert len(flagged & set(tree[1])) >= 4


def test_random_splits_and_early_stopping(
    tree: tuple[Path, dict[str, str]], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = {**TINY, "n_repeats": 2, "num_epochs": 12, "splits": "random", "track_eval": True, "progress": True}
    found = fit(data_path=tree[0], results_path=tmp_path / "r", learning_rate=0.01, **options)
    said = capsys.readouterr().err
    assert "accuracy" in said
    assert "on validation" in said
    assert "An epoch takes" in said
    state = read_state(tmp_path / "r")
    assert state is not None
    for repeat, done in state.repeats.items():
        epochs = labelaudit.open_history(found.histories[repeat]).epochs
        assert len(epochs) < 12
        assert epochs[-1] == done.epoch + 3  # three epochs without a better one
    assert len(found.corrections) == 120


def test_awkward_folders(tmp_path: Path) -> None:
    """Broken files, one image in a class, odd names, every mode: listed, left out, never fatal."""
    root = tmp_path / "мои данные"
    write_tree(root, per_class=12)
    (root / "bar").rename(root / "ein Balken, groß")
    (root / "dot").rename(root / "点")
    random = np.random.default_rng(1)
    (root / "only one").mkdir()
    Image.fromarray(picture(1, random)).convert("CMYK").save(root / "only one" / "x.jpg")
    (root / "点" / "deep" / "er").mkdir(parents=True)
    Image.fromarray(picture(2, random)).convert("P").save(root / "点" / "deep" / "er" / "dot001.png")
    Image.fromarray(picture(2, random)).convert("RGBA").save(root / "点" / "DOT.PNG")
    (root / "corner" / "empty.png").write_bytes(b"")
    (root / "corner" / "page.jpg").write_text("<html>")
    (root / "corner" / ".hidden.png").write_bytes(b"")
    (root / "corner" / "gone.png").symlink_to(tmp_path / "nowhere.png")
    found = fit(data_path=root, results_path=tmp_path / "r", **{**TINY, "num_epochs": 2})
    assert list(found.unreadable) == ["corner/empty.png", "corner/gone.png", "corner/page.jpg"]
    written = pd.read_csv(tmp_path / "r" / "unreadable.csv")
    assert written["filename"].tolist() == list(found.unreadable)
    table = pd.read_csv(tmp_path / "r" / "corrections.csv", index_col=0)
    assert len(table) == 36 + 3
    assert table.loc["only one/x.jpg", "num_preds"] == 0
    assert set(table["label"]) == {"ein Balken, groß", "点", "corner", "only one"}
    assert {"点/deep/er/dot001.png", "点/DOT.PNG"} <= set(table.index)


def test_a_table_and_arrays_are_trained_on_as_well(tree: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    pixels = np.stack([picture(i % 3, random) for i in range(60)])
    names = [CLASSES[i % 3] for i in range(60)]
    options = {**TINY, "num_epochs": 2}
    of_arrays = fit(data=(pixels, names), results_path=tmp_path / "arrays", **options)
    assert of_arrays.corrections.index.tolist() == [str(i) for i in range(60)]
    np.savez(tmp_path / "images.npz", images=pixels, labels=names)
    of_file = fit(data_path=tmp_path / "images.npz", results_path=tmp_path / "npz", **options)
    pd.testing.assert_frame_equal(of_arrays.corrections, of_file.corrections)
    rows = [(f"{tree[0]}/{file.parent.name}/{file.name}", file.parent.name) for file in sorted(tree[0].rglob("*.png"))]
    pd.DataFrame([*rows, ("missing.png", "dot")], columns=["path", "label"]).to_csv(tmp_path / "t.csv", index=False)
    of_table = fit(data_path=tmp_path / "t.csv", results_path=tmp_path / "table", **options)
    assert of_table.corrections.index.tolist() == [name for name, _ in rows]
    assert of_table.unreadable == {"missing.png": "there is no such file"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"batch_size": 8}, "begun with batch_size: 16, not 8"),
        ({"seed": 1}, "begun with seed: 0, not 1"),
        ({"num_epochs": 4}, "begun with num_epochs: 3, not 4"),
    ],
)
def test_a_results_folder_of_other_settings_is_not_mixed(fitted: Fitted, change: dict[str, int], message: str) -> None:
    with pytest.raises(LabelAuditError, match=f"{message}.*overwrite"):
        fit(fitted.config, progress=False, **change)


def test_a_results_folder_of_other_images_is_not_mixed(tmp_path: Path) -> None:
    write_tree(tmp_path / "data", per_class=6)
    options = {**TINY, "num_epochs": 1, "data_path": tmp_path / "data", "results_path": tmp_path / "r"}
    fit(**options)
    (tmp_path / "data" / "bar" / "bar000.png").rename(tmp_path / "data" / "dot" / "bar000.png")
    with pytest.raises(LabelAuditError, match="other images or labels"):
        fit(**options)
    found = fit(**options, overwrite=True)
    assert found.corrections.loc["dot/bar000.png", "label"] == "dot"


@pytest.mark.parametrize("fast", [True, False])
def test_other_images_of_the_same_names_and_sizes_are_not_mixed(tmp_path: Path, fast: bool) -> None:
    def draw(seed: int) -> None:
        random = np.random.default_rng(seed)
        for label, name in enumerate(CLASSES):
            (tmp_path / "data" / name).mkdir(parents=True, exist_ok=True)
            for i in range(6):  # not compressed: all files are of one size
                Image.fromarray(picture(label, random)).save(tmp_path / "data" / name / f"{i}.bmp")

    options = {**TINY, "num_epochs": 1, "data_path": tmp_path / "data", "results_path": tmp_path / "r"}
    draw(0)
    fit(**options)
    fit(**options, fast_loader=fast)
    draw(1)
    with pytest.raises(LabelAuditError, match="other images or labels"):
        fit(**options, fast_loader=fast)


def test_a_run_of_the_first_version_goes_on(tmp_path: Path) -> None:
    write_tree(tmp_path / "data", per_class=6)
    options = {**TINY, "num_epochs": 1, "data_path": tmp_path / "data", "results_path": tmp_path / "r"}
    fit(**options)
    file = tmp_path / "r" / "state.json"
    facts = json.loads(file.read_text())
    content = facts.pop("content")
    file.write_text(json.dumps({**facts, "format_version": 1}))
    fit(**options)
    state = read_state(tmp_path / "r")
    assert state is not None
    assert state.content == content


@pytest.mark.parametrize(
    "name",
    [
        "audit/mine.txt",
        "cache/images.bin",
        "cache/foo.unfinished",
        "checkpoints/my.ckpt",
        "config.yaml",
        "report.html",
        "state.json",
        "mine.csv",
    ],
)
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_somebody_elses_is_not_touched(
    tmp_path: Path, tree: tuple[Path, dict[str, str]], name: str, overwrite: bool
) -> None:
    file = tmp_path / "r" / name
    file.parent.mkdir(parents=True)
    file.write_text("mine")
    results = file if name.endswith(".csv") else tmp_path / "r"
    with pytest.raises(LabelAuditError, match="is not of labelaudit fit"):
        fit(data_path=tree[0], results_path=results, overwrite=overwrite, **TINY)
    assert [one for one in (tmp_path / "r").rglob("*") if one.is_file()] == [file]
    assert file.read_text() == "mine"


def test_what_lies_beside_somebody_elses_state_is_not_touched(
    tmp_path: Path, tree: tuple[Path, dict[str, str]]
) -> None:
    files = [tmp_path / "r" / name for name in ("state.json", "audit/notes.txt", "checkpoints/my.ckpt", "cache/x")]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text('{"mine": 1}')
    for overwrite in (False, True):
        with pytest.raises(LabelAuditError, match=r"state.json exists and is not of labelaudit fit; name another"):
            fit(data_path=tree[0], results_path=tmp_path / "r", overwrite=overwrite, **TINY)
    assert sorted(one for one in (tmp_path / "r").rglob("*") if one.is_file()) == sorted(files)
    assert {file.read_text() for file in files} == {'{"mine": 1}'}


def test_a_table_of_somebody_else_in_a_results_folder_is_not_overwritten(
    tmp_path: Path, tree: tuple[Path, dict[str, str]]
) -> None:
    claim(FitConfig(results_path=tmp_path))
    (tmp_path / "mine.csv").write_text("path,label\n")
    with pytest.raises(LabelAuditError, match=r"mine.csv exists and is not of labelaudit fit"):
        fit(data_path=tree[0], results_path=tmp_path / "mine.csv", **TINY)
    assert (tmp_path / "mine.csv").read_text() == "path,label\n"


def test_a_results_path_that_is_a_file(tmp_path: Path, tree: tuple[Path, dict[str, str]]) -> None:
    (tmp_path / "r").write_text("mine")
    with pytest.raises(LabelAuditError, match=r"r exists and is not of labelaudit fit; name another results_path"):
        fit(data_path=tree[0], results_path=tmp_path / "r", **TINY)


def test_settings_that_were_refused_may_be_corrected(tmp_path: Path) -> None:
    write_tree(tmp_path / "data", per_class=6)
    options = {**TINY, "n_repeats": 1, "num_epochs": 1, "data_path": tmp_path / "data", "results_path": tmp_path / "r"}
    for wrong in ({"model_name": "no.such.Net"}, {"model_weights": tmp_path / "none.pt"}):
        with pytest.raises(LabelAuditError, match="there is no"):
            fit(**options, **wrong)
    assert len(fit(**options).corrections) == 18
    with pytest.raises(LabelAuditError, match=r"begun with model_name: small_cnn, not no\.such"):
        fit(**options, model_name="no.such.Net")


def test_a_training_that_diverges(tmp_path: Path) -> None:
    write_tree(tmp_path / "data", per_class=6)
    options = {**TINY, "data_path": tmp_path / "data", "results_path": tmp_path / "r"}
    with pytest.raises(LabelAuditError, match=r"has diverged: .*repeat-00 holds NaN .* below 1e\+30, and --overwrite"):
        fit(**options, learning_rate=1e30)
    state = read_state(tmp_path / "r")
    assert state is not None
    assert not state.repeats
    assert len(fit(**options, overwrite=True).corrections) == 18


def test_a_state_of_a_newer_version(tmp_path: Path, tree: tuple[Path, dict[str, str]]) -> None:
    (tmp_path / "state.json").write_text('{"format": "labelaudit fit", "format_version": 99, "repeats": {}}')
    with pytest.raises(LabelAuditError, match=r"is of a newer version of labelaudit. Name .*--overwrite"):
        fit(data_path=tree[0], results_path=tmp_path, **TINY)


def test_memory_does_not_grow_with_the_images(tmp_path: Path) -> None:
    """200 images take 157 MB once they are 512 x 512: neither decoding nor reading them holds them all."""
    write_tree(tmp_path / "data", per_class=67)
    code = """
import resource, sys
import numpy as np
from pathlib import Path
from labelaudit.callbacks.training.images import FoldData, ImageDataset
from labelaudit.fitting.image_cache import prepare
from labelaudit.fitting.image_list import read_images
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
images, source, _ = prepare(read_images(sys.argv[1]), Path(sys.argv[2]), image_size=512, largest=64, colour=True,
                            fast=True, progress=False)
data = FoldData(ImageDataset(source, images.labels), np.arange(201), np.arange(0), batch_size=4, num_workers=0,
                augment="none", seed=(0, 0))
seen = sum(len(labels) for _, labels in data.train_dataloader())
print(seen, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "data"), str(tmp_path / "cache")],
        capture_output=True,
        text=True,
        check=True,
    )
    seen, grown = map(int, done.stdout.split())
    assert seen == 201
    assert (tmp_path / "cache" / "images.bin").stat().st_size == 201 * 512 * 512 * 3
    assert grown < 100_000  # kilobytes


def test_single_images_of_each_class_are_never_held_out(tmp_path: Path) -> None:
    write_tree(tmp_path / "data", per_class=1)
    found = fit(data_path=tmp_path / "data", results_path=tmp_path / "r", progress=False, num_epochs=1, n_repeats=2)
    assert found.coverage == 0
    assert found.corrections["num_preds"].tolist() == [0] * len(CLASSES)


def test_one_class_only(tmp_path: Path) -> None:
    write_tree(tmp_path / "all", per_class=2)
    (tmp_path / "data").mkdir()
    (tmp_path / "all" / "bar").rename(tmp_path / "data" / "bar")
    with pytest.raises(LabelAuditError, match="all 2 images are of one class, 'bar'"):
        fit(data_path=tmp_path / "data", results_path=tmp_path / "r", progress=False)


def test_without_torch_the_error_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import labelaudit\n"
        "try: labelaudit.fit(data_path='.')\n"
        "except labelaudit.LabelAuditError as problem: print(problem)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 'pip install "labelaudit[train]"' in done.stdout


BROKEN = """
import torch
from labelaudit.callbacks.training.lightning_names import pl

class Net(pl.LightningModule):
    def __init__(self, n_classes):
        super().__init__()
        self.net = torch.nn.Linear(7, n_classes)  # there are no images of 7 pixels

    def training_step(self, batch, _):
        return torch.nn.functional.cross_entropy(self.net(batch[0].flatten(1)), batch[1])

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)
"""


def test_what_is_wrong_is_found_before_old_results_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_tree(tmp_path / "data", per_class=6)
    (tmp_path / "broken_net_of_a_test.py").write_text(BROKEN)
    monkeypatch.chdir(tmp_path)
    options = {**TINY, "n_repeats": 1, "num_epochs": 1, "data_path": tmp_path / "data", "results_path": tmp_path / "r"}
    fit(**options)

    def results() -> dict[str, bytes]:
        files = (one for one in (tmp_path / "r").rglob("*") if one.is_file() and one.parent.name != "cache")
        return {str(one): one.read_bytes() for one in files}

    before = results()
    (tmp_path / "tracker.pkl").write_bytes(b"no pickle")
    for wrong, kind, message in (
        ({"model_name": "smal_cnn"}, LabelAuditError, "smal_cnn"),
        ({"model_name": "no.such.Net"}, LabelAuditError, "there is no module 'no'"),
        ({"model_weights": tmp_path / "none.pt"}, LabelAuditError, "model_weights: there is no file"),
        ({"model_weights": "pretrained"}, LabelAuditError, "no pretrained weights of small_cnn"),
        ({"pred_tracker": tmp_path / "none.pkl"}, LabelAuditError, "pred_tracker: there is no file"),
        ({"pred_tracker": tmp_path / "tracker.pkl"}, LabelAuditError, "tracker.pkl"),
        ({"device": "mps"}, LabelAuditError, "device 'mps' cannot be used"),
        ({"model_name": "broken_net_of_a_test.Net"}, RuntimeError, "shapes cannot be multiplied"),
    ):
        with pytest.raises(kind, match=message):
            fit(**options, overwrite=True, **wrong)
        assert results() == before
    again = fit(**{**options, "num_epochs": 2}, overwrite=True)
    fresh = fit(**{**options, "num_epochs": 2, "results_path": tmp_path / "other"})
    pd.testing.assert_frame_equal(again.corrections, fresh.corrections)  # the trial leaves no trace
