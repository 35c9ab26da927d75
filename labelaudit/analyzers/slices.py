"""Where the flagged labels are: their share in every slice of the data that the metadata names."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from labelaudit.errors import LabelAuditError
from labelaudit.options import check_whole

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
NORMAL_95 = 1.959963984540054  # 97.5th percentile of the standard normal distribution
FEW_VALUES = 20  # numbers with more distinct values are cut into quantiles
MANY_SLICES = 100  # of one column: beyond, they are to have
TINY = 5  # samples each on the average, or a warning is given


def slices(
    samples: pd.DataFrame, metadata: pd.DataFrame | pd.Series[Any], *, bins: int = 5, min_samples: int = 1
) -> pd.DataFrame:
    """Return the share of flagged labels in every slice, the worst first: **high is suspicious**.

    Formula: share = flagged / samples, with the 95 % interval of Wilson's score; sorted by its lower bound, so that a
    small slice does not lead by chance. Many slices are compared: of twenty harmless ones, one lies outside the
    interval of the whole on the average.
    Source: Wilson, Journal of the American Statistical Association 1927.

    Args:
        samples: (n rows) a table with a boolean column is_label_issue, such as an audit's ``samples``.
        metadata: columns to slice by, indexed by sample_id; other samples' rows are left out. Numbers, dates and
            durations with more than 20 distinct values are cut into quantiles; those that are infinite, and those so
            common that a quantile would be theirs alone, have a slice of their own. Of text every value is a slice: a
            warning names a column that falls into very many tiny ones, such as one of paths. Leave it out, or the small
            slices with ``min_samples``.
        bins: how many quantiles.
        min_samples: leave out smaller slices.

    Returns:
        One row a slice: column, value, n_samples, n_issues, share, low, high. Where the metadata is missing, or
        does not know a sample, the value is missing.

    Raises:
        LabelAuditError: samples is no table with is_label_issue, the metadata knows none of the samples or holds what
            cannot be grouped by, or an option is out of range.

    Example:
        >>> import pandas as pd
        >>> samples = pd.DataFrame({"is_label_issue": [True, True, False, False, False]})
        >>> slices(samples, pd.Series(["phone", "phone", "phone", "scan", "scan"], name="source")).round(3)
           column  value  n_samples  n_issues  share    low   high
        0  source  phone          3         2  0.667  0.208  0.939
        1  source   scan          2         0  0.000  0.000  0.658
    """
    import pandas as pd

    if not isinstance(samples, pd.DataFrame):
        raise LabelAuditError(f"samples is a {type(samples).__name__}; expected a table of samples: pass audit.samples")
    if "is_label_issue" not in samples.columns:
        raise LabelAuditError(
            f"samples has no column is_label_issue, only {', '.join(map(str, samples.columns))}; pass audit.samples"
        )
    check_whole("bins", bins, least=1)
    check_whole("min_samples", min_samples)
    facts = metadata.to_frame() if isinstance(metadata, pd.Series) else metadata
    if not isinstance(facts, pd.DataFrame):
        raise LabelAuditError(f"metadata is a {type(metadata).__name__}; expected a DataFrame or Series by sample id")
    if not facts.columns.is_unique:
        twice = facts.columns[facts.columns.duplicated()][0]
        raise LabelAuditError(f"metadata has more than one column {twice!r}; give each a name of its own")
    known = samples.index.isin(facts.index)
    if not known.any():
        raise LabelAuditError(
            f"metadata knows none of the samples: its index begins with {facts.index[:1].tolist()}, sample ids with "
            f"{samples.index[:1].tolist()}. Set its index to the sample ids, e.g. metadata.set_index('path')"
        )
    if not facts.index.is_unique:
        twice = facts.index[facts.index.duplicated()][0]
        raise LabelAuditError(f"metadata names sample {twice!r} more than once; keep one row a sample")
    facts = facts.reindex(samples.index)
    flagged = samples["is_label_issue"].astype(bool)
    found: list[tuple[Any, ...]] = []
    for column in facts.columns:
        of_value = flagged.groupby(bins_of(facts[column], bins), dropna=False, observed=True)
        counts = of_value.agg(["size", "sum"])
        if min_samples <= 1 and len(counts) > max(MANY_SLICES, len(samples) / TINY):
            warnings.warn(
                f"metadata column {column!r} has {len(counts):,} different values, each a slice of "
                f"{len(samples) / len(counts):.1f} samples on the average: leave it out, group its values (the folder "
                "of a path), or pass min_samples=",
                stacklevel=2,
            )
        found += [(column, *row) for row in counts.itertuples(name=None)]
    table = pd.DataFrame(found, columns=["column", "value", "n_samples", "n_issues"])
    n, issues = (table[name].to_numpy(np.int64) for name in ("n_samples", "n_issues"))
    table["share"] = issues / n
    table["low"], table["high"] = wilson_interval(issues, n)
    table = table[n >= min_samples]
    return table.sort_values(["low", "share"], ascending=False, kind="stable", ignore_index=True)


def bins_of(values: pd.Series[Any], bins: int) -> pd.Series[Any]:
    """Return the values to group by, of n samples: numbers and times of many different values as their quantiles."""
    import pandas as pd
    import pyarrow as pa

    values = values.infer_objects()
    try:
        few = values.nunique() <= FEW_VALUES
    except TypeError as problem:  # unhashable
        raise LabelAuditError(
            f"metadata column {values.name!r} cannot be grouped by ({problem}); turn its values into text or numbers"
        ) from None
    times = values.dtype.kind in "mM"
    if few or not (times or values.dtype.kind in "fiu"):
        return values
    if times and isinstance(values.dtype, pd.ArrowDtype):  # pandas cuts only times of its own
        values = pd.Series(pa.array(values).to_pandas().array, values.index)
    numbers = _seconds(values) if times else values.to_numpy(np.float64, na_value=np.nan)
    cut = _to_cut(numbers, bins)
    if not cut.any():
        return values
    quantiles = pd.qcut(values[cut] if times else pd.Series(numbers[cut]), bins, duplicates="drop").cat
    alone = ~cut & ~np.isnan(numbers)
    if values.dtype == np.float16:  # no index holds these
        values = values.astype(np.float32)
    own = pd.Index(values[alone].unique()).sort_values()
    codes = np.full(len(numbers), -1)
    codes[alone], codes[cut] = own.get_indexer(values[alone]), len(own) + quantiles.codes.to_numpy()
    slots = pd.Index([*own, *quantiles.categories], dtype=object)
    return pd.Series(pd.Categorical.from_codes(codes, slots), values.index)


def _seconds(values: pd.Series[Any]) -> Array:
    """Return dates, as the time since the first of them, or durations in seconds, (n,); NaN where missing."""
    lengths = values - values.min() if values.dtype.kind == "M" else values
    return lengths.dt.total_seconds().to_numpy(np.float64, na_value=np.nan)


def _to_cut(numbers: Array, bins: int) -> npt.NDArray[np.bool_]:
    """Return which numbers to cut into quantiles, (n,): finite ones, none of which would fill a quantile by itself."""
    found = np.isfinite(numbers)
    while found.any():
        values, counts = np.unique(numbers[found], return_counts=True)
        common = values[counts > counts.sum() / bins]
        if not len(common):
            break
        found &= ~np.isin(numbers, common)
    return found


def wilson_interval(hits: Any, n: Any) -> tuple[Array, Array]:
    """Return Wilson's 95 % interval of a share, for hits of n, numbers or arrays; (0, 1) where n is 0.

    Example:
        >>> low, high = wilson_interval(3, 4)
        >>> round(float(low), 4), round(float(high), 4)
        (0.3006, 0.9544)
    """
    hits, n = np.asarray(hits, float), np.asarray(n, float)
    z2 = NORMAL_95**2
    middle = (hits + z2 / 2) / (n + z2)
    half = NORMAL_95 / (n + z2) * np.sqrt(hits * (1 - hits / np.maximum(n, 1)) + z2 / 4)
    return np.where(hits > 0, middle - half, 0.0), np.where(hits < n, middle + half, 1.0)
