"""Long runs are read in stages, short ones epoch by epoch."""

from __future__ import annotations

import numpy as np
import pytest
from test_properties import trained

from labelaudit import audit, history_from_arrays
from labelaudit.auditing.evidence import log_time_weight
from labelaudit.auditing.glance import doubling, doubling_blocks
from labelaudit.auditing.stages import LONGEST, STAGES


def test_blocks_of_a_long_run_are_doublings_of_its_stages() -> None:
    blocks = [(block.start, block.stop) for block in doubling_blocks(80)]
    assert blocks == [(0, 3), (3, 5), (5, 10), (10, 20), (20, 40), (40, 80)]


@pytest.mark.parametrize("n_epochs", [1, 2, 5, LONGEST, LONGEST + 1, 95, 1000])
def test_every_epoch_is_in_one_block(n_epochs: int) -> None:
    blocks = list(doubling_blocks(n_epochs))
    assert [i for block in blocks for i in block] == list(range(n_epochs))
    numbers = [number for number, block in enumerate(blocks) for _ in block]
    assert [doubling(i, n_epochs) for i in range(n_epochs)] == numbers


@pytest.mark.parametrize("n_epochs", [61, 100, 999])
def test_epochs_of_a_stage_share_its_weight(n_epochs: int) -> None:
    weights = [log_time_weight(i, n_epochs) for i in range(n_epochs)]
    assert sum(weights) == pytest.approx(sum(log_time_weight(i, STAGES) for i in range(STAGES)))


def test_epochs_said_three_times_are_read_as_said_once() -> None:
    z, labels, true = trained(n=400, share=0.2, epochs=STAGES)
    once, thrice = (audit(history_from_arrays(z.repeat(times, axis=0), labels)) for times in (1, 3))
    np.testing.assert_allclose(thrice.samples["label_quality"], once.samples["label_quality"], atol=1e-4)
    assert (once.samples["is_label_issue"] == (labels != true)).mean() > 0.9
