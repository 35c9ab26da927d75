"""Blocks of a few samples, so that small data cross many of them."""

from __future__ import annotations

import pytest


@pytest.fixture(params=[7, 64, 2048])
def tile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """The size of a block."""
    for module in ("neighbours", "thinning"):
        monkeypatch.setattr(f"labelaudit.embedding.{module}.TILE", request.param)
    return int(request.param)
