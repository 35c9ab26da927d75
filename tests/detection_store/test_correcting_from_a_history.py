"""A history has its boxes image by image; a COCO file may have them in any order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import labelaudit
from labelaudit import LabelAuditError
from tests.detection.simulated import HEIGHT, WIDTH
from tests.detection_store.conftest import DATA, NAMES, Recorded, name_of

KINDS = {"ant": 0, "bee": 1, "fly": 2}


def coco(path: Path, order: Any) -> dict[int, dict[str, Any]]:
    """Write the recorded labels as a COCO file in some order; return its annotations by id."""
    boxes = [
        {"id": n, "image_id": name_of(row.image_id), "category_id": KINDS[row.category],
         "bbox": [row.x, row.y, row.w, row.h]}
        for n, row in enumerate(DATA.truth.itertuples())
    ]  # fmt: skip
    images = [{"id": name_of(i), "file_name": name_of(i), "width": WIDTH, "height": HEIGHT} for i in range(40)]
    kinds = [{"id": n, "name": name} for n, name in enumerate(NAMES)]
    whole = {"images": images, "annotations": [boxes[n] for n in order], "categories": kinds}
    path.write_text(json.dumps(whole))
    return {one["id"]: one for one in boxes}


def shuffled() -> list[int]:
    return list(np.random.default_rng(0).permutation(len(DATA.truth)).tolist())


def mixed() -> list[int]:
    """The images are mixed, and the boxes of each stand as they were recorded."""
    turns = np.random.default_rng(1).permutation(len(DATA.truth))
    order = np.empty(len(DATA.truth), int)
    image = DATA.truth["image_id"].to_numpy()
    for one in range(40):
        order[np.sort(turns[image == one])] = np.flatnonzero(image == one)
    return list(order.tolist())


def test_corrections_go_to_their_annotations_in_any_order(recorded: Recorded, tmp_path: Path) -> None:
    results = []
    for name, order in (("sorted", range(len(DATA.truth))), ("mixed", mixed()), ("shuffled", shuffled())):
        before = coco(tmp_path / f"{name}.json", order)
        out = tmp_path / f"{name}-new.json"
        # Low, since another scikit-learn fits other trees: at the default the scores of 1.7 remove no box.
        choices = {"min_confidence": 0.25, "remove_spurious": True}
        done = labelaudit.correct_boxes(tmp_path / f"{name}.json", recorded.audit, out=out, **choices)
        after = {one["id"]: one for one in json.loads(out.read_text())["annotations"]}
        assert 0 < len(done.removed) < 20
        assert sum(after[of] != before[of] for of in after) == (done.frame["change"] != "").sum() > 10
        results.append(after)
    assert results[0] == results[1] == results[2]


def test_one_box_that_is_another_is_refused_in_any_order(recorded: Recorded, tmp_path: Path) -> None:
    for order in (range(len(DATA.truth)), mixed(), shuffled()):
        coco(tmp_path / "in.json", order)
        data = json.loads((tmp_path / "in.json").read_text())
        for change in ({"image_id": name_of(39)}, {"category_id": 1}, {"bbox": [0, 0, 3, 3]}):
            some = [one | change if one["id"] == 0 else one for one in data["annotations"]]
            (tmp_path / "other.json").write_text(json.dumps(data | {"annotations": some}))
            with pytest.raises(LabelAuditError, match="is not the one that was audited"):
                labelaudit.correct_boxes(tmp_path / "other.json", recorded.audit)
