"""Margins, against loops."""

from __future__ import annotations

import numpy as np
import pytest

from labelaudit import analyzers


def margin(values, y):
    return values[y] - max(value for k, value in enumerate(values) if k != y)


REFERENCES = {
    "aum": lambda seen, y: np.mean([margin(one.z, y) for one in seen]),
    "margin_probability": lambda seen, y: np.mean([margin(one.p, y) for one in seen]),
    "data_error_potential": lambda seen, y: np.mean([(1 - margin(one.p, y)) / 2 for one in seen]),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_equals_the_reference(case, name):
    case.check(getattr(analyzers, name), REFERENCES[name])
