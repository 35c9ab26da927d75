"""Long runs are read in stages, short ones and those learned by heart epoch by epoch."""

from __future__ import annotations

import numpy as np
import pytest
from test_properties import trained

from labelaudit import audit, history_from_arrays
from labelaudit.auditing.evidence import log_time_weight
from labelaudit.auditing.glance import doubling, doubling_blocks
from labelaudit.auditing.stages import STAGES, Stages
from labelaudit.auditing.window import plan


def test_blocks_of_a_long_run_are_doublings_of_its_stages() -> None:
    blocks = [(block.start, block.stop) for block in doubling_blocks(Stages.of_long(80))]
    assert blocks == [(0, 3), (3, 5), (5, 10), (10, 20), (20, 40), (40, 80)]


@pytest.mark.parametrize(
    "stages", [*map(Stages.by_epoch, (1, 2, 5, STAGES, 1000)), *map(Stages.of_long, (STAGES + 1, 95, 1000))]
)
def test_every_epoch_is_in_one_block(stages: Stages) -> None:
    blocks = list(doubling_blocks(stages))
    every = range(stages.n_epochs)
    assert [i for block in blocks for i in block] == list(every)
    numbers = [number for number, block in enumerate(blocks) for _ in block]
    assert [doubling(i, stages) for i in every] == numbers


@pytest.mark.parametrize("n_epochs", [STAGES + 1, 61, 100, 999])
def test_epochs_of_a_stage_share_its_weight(n_epochs: int) -> None:
    weights = [log_time_weight(i, Stages.of_long(n_epochs)) for i in range(n_epochs)]
    assert sum(weights) == pytest.approx(sum(log_time_weight(i, Stages.by_epoch(STAGES)) for i in range(STAGES)))


def test_epochs_said_three_times_are_read_as_said_once() -> None:
    z, labels, true = trained(n=400, share=0.2, epochs=STAGES, memorise=0)
    once, thrice = (audit(history_from_arrays(z.repeat(times, axis=0), labels)) for times in (1, 3))
    np.testing.assert_allclose(thrice.samples["label_quality"], once.samples["label_quality"], atol=1e-4)
    assert (once.samples["is_label_issue"] == (labels != true)).mean() > 0.9


@pytest.mark.parametrize("n_epochs", [STAGES + 1, 100])
def test_a_long_run_learned_by_heart_is_read_epoch_by_epoch(n_epochs: int) -> None:
    z, labels, _ = trained(n=400, share=0.2, epochs=10, memorise=9)
    for memorised, n_stages in ((True, n_epochs), (False, STAGES)):
        known = z if memorised else z[:1].repeat(10, axis=0)
        long = np.concatenate([known, known[-1:].repeat(n_epochs - 10, axis=0)])
        (seen,) = plan(history_from_arrays(long, labels)).glances
        assert seen.stages == Stages(n_epochs, n_stages)
