"""Every export against a file that was looked at once; the real tools are in test_real_tools.py."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from labelaudit import Audit, History, LabelAuditError, audit
from labelaudit.exporting import write_aum, write_cartography
from tests.exports.conftest import GIVEN, IDS, NAMES, same_as_golden


def test_cleanlab(found: Audit) -> None:
    same_as_golden("cleanlab.csv", found.to_cleanlab().to_csv(lineterminator="\n").encode())


def test_label_studio(found: Audit, tmp_path: Path) -> None:
    config = found.to_label_studio(tmp_path / "tasks.json", images="https://example.org/data")
    same_as_golden("label_studio.json", (tmp_path / "tasks.json").read_bytes().replace(_version(), b"VERSION"))
    same_as_golden("label_studio.xml", config.encode())
    found.to_label_studio(tmp_path / "all.json", texts=[f"text {i}" for i in range(6)], issues_only=False)
    tasks = json.loads((tmp_path / "all.json").read_text())
    assert [task["data"]["text"] for task in tasks] == [f"text {i}" for i in range(6)]
    assert tasks[0]["predictions"] == []
    assert tasks[0]["data"]["suggestion_confidence"] is None


def _version() -> bytes:
    import labelaudit

    return labelaudit.__version__.encode()


def test_fiftyone_folder(found: Audit, tmp_path: Path) -> None:
    found.to_fiftyone(tmp_path / "fo", images=lambda sample: f"/data/{sample}")
    same_as_golden("fiftyone_samples.json", (tmp_path / "fo" / "samples.json").read_bytes())
    facts = json.loads((tmp_path / "fo" / "metadata.json").read_text())
    assert facts["info"]["classes"] == NAMES
    assert "version" not in facts, "FiftyOne then reads samples as plain dicts"
    found.to_fiftyone(tmp_path / "fo")
    places = [row["filepath"] for row in json.loads((tmp_path / "fo" / "samples.json").read_text())["samples"]]
    assert places == [str(Path.cwd() / one) for one in IDS]
    with pytest.raises(LabelAuditError, match="no image found"):
        found.to_fiftyone(tmp_path / "fo", images=tmp_path)
    (tmp_path / "fo" / "mine").write_text("x")
    with pytest.raises(LabelAuditError, match="holds other files"):
        found.to_fiftyone(tmp_path / "fo")


class FiftyOneDataset:
    """The two methods of a FiftyOne dataset that are used."""

    def __init__(self) -> None:
        self.fields: dict[str, list[Any]] = {
            "filepath": [f"/data/{one}" for one in reversed(IDS)],
            "tags": [["old"]] * 6,
        }
        self.fields["key"] = list(reversed(IDS))

    def values(self, name: str) -> list[Any]:
        return self.fields[name]

    def set_values(self, name: str, values: dict[Any, Any], key_field: str) -> None:
        self.fields[name] = [values[key] for key in self.fields[key_field]]


@pytest.mark.parametrize("key_field", ["filepath", "key"])
def test_fiftyone_fields(found: Audit, monkeypatch: pytest.MonkeyPatch, key_field: str) -> None:
    monkeypatch.setitem(sys.modules, "fiftyone", SimpleNamespace(Classification=dict))
    dataset = FiftyOneDataset()
    found.to_fiftyone(dataset=dataset, images="/data", key_field=key_field)
    rows = list(reversed(found.samples["label_quality"].tolist()))
    assert dataset.fields["label_quality"] == rows
    assert dataset.fields["suggested_label"][0] == {"label": "newt", "confidence": 0.625}
    assert dataset.fields["suggested_label"][1] is None
    assert dataset.fields["tags"] == [
        ["label_issue", "old"],
        ["old"],
        ["old"],
        ["old"],
        ["label_issue", "old"],
        ["old"],
    ]
    with pytest.raises(LabelAuditError, match="6 of 6 samples are not in the dataset"):
        found.to_fiftyone(dataset=dataset, images="/elsewhere")


def test_spotlight(found: Audit, tmp_path: Path) -> None:
    issues = found.to_spotlight(tmp_path / "s.parquet")
    table = pd.read_parquet(tmp_path / "s.parquet")
    assert table["sample_id"].tolist() == IDS
    plain = [vars(one) if hasattr(one, "__dict__") else one for one in issues]
    same_as_golden("spotlight_issues.json", (json.dumps(plain, indent=1) + "\n").encode())
    labels = table.loc[[row for one in plain for row in one["rows"]], "is_label_issue"]
    assert labels.all()


def test_cartography_round_trip(history: History, tmp_path: Path) -> None:
    assert write_cartography(history, tmp_path) == 3
    lines = (tmp_path / "training_dynamics" / "dynamics_epoch_1.jsonl").read_bytes()
    same_as_golden("dynamics_epoch_1.jsonl", lines)
    first = json.loads(lines.splitlines()[0])
    p = np.exp(first["logits_epoch_1"]) / np.exp(first["logits_epoch_1"]).sum()
    np.testing.assert_allclose(p, history.epoch(1)["probabilities"][0].as_py(), atol=1e-6)


def test_aum_round_trip(history: History, tmp_path: Path) -> None:
    write_aum(history, tmp_path)
    same_as_golden("full_aum_records.csv", (tmp_path / "full_aum_records.csv").read_bytes())
    values = pd.read_csv(tmp_path / "aum_values.csv").set_index("sample_id")["aum"]
    assert values.is_monotonic_decreasing
    table = audit(history).samples["aum"]
    np.testing.assert_allclose(values.reindex(IDS), table, rtol=1e-5)
    records = pd.read_csv(tmp_path / "full_aum_records.csv")
    assert records.drop_duplicates("sample_id").set_index("sample_id")["target_logit"].to_dict() == dict(
        zip(IDS, GIVEN.tolist(), strict=True)
    )


def test_bad_requests(found: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[str, Callable[[], object]]] = [
        ("say where to", lambda: found.to_fiftyone()),
        ("say where to", lambda: found.to_fiftyone(tmp_path / "x", dataset=FiftyOneDataset())),
        ("say what is shown", lambda: found.to_label_studio(tmp_path / "x")),
        ("has 2 entries, the audit has 6", lambda: found.to_label_studio(tmp_path / "x", texts=["a", "b"])),
        ("has nothing for sample a/1.png", lambda: found.to_fiftyone(tmp_path / "x", images={})),
    ]
    for message, call in calls:
        with pytest.raises(LabelAuditError, match=message):
            call()
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(LabelAuditError, match="pip install datasets"):
        found.to_huggingface()
    found.samples.index = pd.RangeIndex(6)
    with pytest.raises(LabelAuditError, match="these ids are no paths"):
        found.to_fiftyone(tmp_path / "x")


class HuggingFace:
    """The few parts of datasets that are used, on lists."""

    def __init__(self, columns: dict[str, list[Any]]) -> None:
        self.columns, self.column_names = columns, list(columns)

    from_dict = classmethod(lambda cls, columns: cls(columns))

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def __getitem__(self, name: str) -> list[Any]:
        return self.columns[name]


def test_huggingface(found: Audit, monkeypatch: pytest.MonkeyPatch) -> None:
    def joined(parts: list[HuggingFace], axis: int) -> HuggingFace:
        assert axis == 1
        return HuggingFace({name: column for part in parts for name, column in part.columns.items()})

    module = SimpleNamespace(Dataset=HuggingFace, concatenate_datasets=joined)
    monkeypatch.setitem(sys.modules, "datasets", module)
    assert found.to_huggingface()["sample_id"] == IDS
    mine = HuggingFace({"path": [*reversed(IDS), "new"], "label": [0] * 7})
    more = found.to_huggingface(mine, id_column="path")
    assert more["label_quality"] == [*reversed(found.samples["label_quality"].tolist()), None]
    assert more["suggested_label"][:2] == ["newt", None]
    for arguments, message in (
        ((more, "path"), "already"),
        ((mine, "label"), "twice"),
        ((mine, None), "are not in the"),
    ):
        with pytest.raises(LabelAuditError, match=message):
            found.to_huggingface(arguments[0], id_column=arguments[1])
