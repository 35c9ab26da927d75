"""compare(): what changed between two audits."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from labelaudit import Audit, LabelAuditError, audit, compare, history_from_arrays, plant_mistakes
from labelaudit.cli import main

N, K = 120, 3
TRUE = np.arange(N) % K
WRONG, PLANTED = plant_mistakes(TRUE, 0.1, seed=1)


def audit_of(labels: np.ndarray, n: int = N, planted: object = None, first: int = 0) -> Audit:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(5, N, K), scale=0.3)
    scores[:, np.arange(N), TRUE] += 3
    rows = slice(first, n)
    ids = [f"s{i}" for i in range(N)]
    return audit(history_from_arrays(scores[:, rows], labels[rows], sample_ids=ids[rows], planted=planted))


def test_before_and_after_correcting() -> None:
    found = compare(audit_of(WRONG, planted=PLANTED), audit_of(TRUE))
    assert set(found.relabelled.index) == {f"s{i}" for i in PLANTED}
    changed = set(audit_of(WRONG).issues.index)
    assert len(changed) >= 10
    assert set(found.no_longer_flagged.index) == changed
    assert len(found.newly_flagged) == 0
    assert found.before["estimated_errors"] > found.after["estimated_errors"]
    assert found.before["measured"]["recall"] > 0.9
    assert repr(found) == str(found)
    assert found.after["measured"] is None
    facts = found.to_dict()
    assert (facts["n_common"], facts["only_before"], facts["only_after"]) == (N, 0, 0)
    assert found.samples.index.tolist() == [f"s{i}" for i in range(N)]
    back = compare(audit_of(TRUE), audit_of(WRONG))
    assert set(back.newly_flagged.index) == changed
    assert back.newly_flagged["quality_after"].is_monotonic_increasing


def test_large_numbers_stay_in_their_columns() -> None:
    small = compare(audit_of(WRONG), audit_of(TRUE))
    facts = {**small.before, "n_samples": 1_200_000, "interval": [100_000, 1_000_000]}
    large = dataclasses.replace(small, before=facts, after=facts)
    assert "   100,000 to 1,000,000  100,000 to 1,000,000" in str(large)
    assert len({len(line) for line in str(large).splitlines()[:5]}) == 1
    assert max(len(line) for line in str(large).splitlines()[:5]) <= 80


def test_names_of_one_audit_hold_for_the_other() -> None:
    names = ["ant", "bee", "cat"]
    scores = np.eye(K)[TRUE] * 3
    plain, named = (audit(history_from_arrays(scores, WRONG, class_names=given)) for given in (None, names))
    for found in (compare(plain, named), compare(named, plain), compare(plain, plain)):
        assert len(found.relabelled) == 0
    assert compare(plain, named).samples["given_before"].tolist() == [names[label] for label in WRONG]
    true = audit(history_from_arrays(scores, TRUE, class_names=names))
    assert compare(plain, true).relabelled.index.tolist() == list(PLANTED)


def test_samples_of_one_audit_only() -> None:
    found = compare(audit_of(WRONG, n=100), audit_of(WRONG, first=20))
    facts = found.to_dict()
    assert (facts["n_common"], facts["only_before"], facts["only_after"]) == (80, 20, 20)
    assert len(found.samples) == N
    assert "Only before: 20 samples; only after: 20" in str(found)
    with pytest.raises(LabelAuditError, match="no sample id in common"):
        compare(audit_of(WRONG, n=60), audit_of(WRONG, first=60))


def test_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    audit_of(WRONG, planted=PLANTED).save(tmp_path / "a")
    audit_of(TRUE).save(tmp_path / "b")
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--csv", str(tmp_path / "c.csv")]) == 0
    printed = capsys.readouterr().out
    assert "12 have another label" in printed
    assert "No longer flagged:" in printed
    assert len((tmp_path / "c.csv").read_text().splitlines()) == N + 1
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "a"), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["no_longer_flagged"] == facts["newly_flagged"] == facts["relabelled"] == []
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "a")]) == 0
    assert "recall" in capsys.readouterr().out
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "typo")]) == 2
