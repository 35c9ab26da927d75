"""torchvision's models, really trained: in an environment where torch and torchvision belong together.

torchvision from the package index does not import beside a CPU build of torch, so both are installed into a folder of
their own (several gigabytes).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.exports.test_real_tools import run_with

PACKAGES = ["torch==2.12.0", "torchvision==0.27.0", "lightning>=2.4", "pyyaml"]


@pytest.mark.tools
@pytest.mark.parametrize("model", ["efficientnet_b0", "alexnet"])
def test_a_torchvision_model_is_trained_recorded_and_audited(tmp_path: Path, model: str) -> None:
    script = f"""
import torch, torchvision, labelaudit
from tests.fitting.conftest import write_tree
write_tree(folder / "data", per_class=8, wrong=1)
options = dict(data_path=folder / "data", n_repeats=1, num_epochs=1, batch_size=8, image_size=64, progress=False)
found = labelaudit.fit(results_path=folder / "new", model_name="{model}", **options)
history = labelaudit.open_history(found.histories[0])
assert len(found.corrections) == 24 and history.n_classes == 3
assert (found.corrections["num_preds"] > 0).sum() == len(history.ids("val")) > 0
net = torchvision.models.get_model("{model}", num_classes=7)
torch.save(net.state_dict(), folder / "weights.pt")  # of another data set: all but the last layer is taken over
labelaudit.fit(results_path=folder / "old", model_name="{model}", model_weights=folder / "weights.pt", **options)
try:
    labelaudit.fit(results_path=folder / "none", model_name="efficientnet_b99", **options)
except labelaudit.LabelAuditError as problem:
    print(problem)
"""
    printed = run_with("torchvision", PACKAGES, script, tmp_path)
    assert "there is no model 'efficientnet_b99'" in printed
