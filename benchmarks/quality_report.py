"""The tables of detection_quality.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from quality_metrics import calibration_error

KEYS = ["data", "kind", "rate"]
OUT_OF_FOLD = "cleanlab self_confidence, 5-fold, last epoch"
DEFAULT_FILTER = "cleanlab prune_by_noise_rate, 5-fold, last epoch"
GOALS = {
    "AP": "average precision within 0.003 of the best single statistic in hindsight",
    "F1": "F1 at the cut within 0.02 of F1 at the true count",
    "clean": "at most 0.5 % of a clean set flagged",
    "count": "estimated rate within 10 % of the truth or 0.5 points",
    "right": "suggestions right for 95 % of the mistakes they are made for",
    "ECE": "expected calibration error of the suggestions under 0.05",
}


def by_row(results: pd.DataFrame) -> pd.DataFrame:
    """Return one row per data x noise x rate: means over the seeds, and which goals are met."""
    return pd.DataFrame([_row(dict(zip(KEYS, key, strict=True)), of) for key, of in results.groupby(KEYS, sort=False)])


def _row(row: dict[str, Any], of: pd.DataFrame) -> dict[str, Any]:
    mean = of.groupby("method", sort=False)[["ap", "auroc", "ceiling", "f1", "rate_error"]].mean()
    group = of.groupby("method", sort=False)["group"].first()
    us = of[of["method"] == "labelaudit"]
    truth = (us["n_wrong"] / us["n"]).mean()
    share = us["n_flagged"].sum() / us["n"].sum()
    row |= {"truth": truth, "count error": mean.loc["labelaudit", "rate_error"], "flagged": share}
    row |= {"interval": us["interval_holds"].mean(), "cleanlab count error": mean.loc[DEFAULT_FILTER, "rate_error"]}
    goals: dict[str, bool] = {"count": row["count error"] <= max(0.1 * truth, 0.005)}
    if truth == 0:
        goals["clean"] = share <= 0.005
        row["cleanlab flagged"] = of.loc[of["method"] == DEFAULT_FILTER].eval("n_flagged / n").mean()
    else:
        singles = mean["ap"][group == "statistic"]
        ours = mean.loc["labelaudit"]
        cuts = mean["f1"][group.isin(["cut", "cleanlab"])]
        suggested = us["n_suggested"].sum()
        row |= {
            "AP": ours["ap"],
            "AUROC": ours["auroc"],
            "best single": singles.max(),
            "which": singles.idxmax(),
            "aum": mean.loc["aum package", "ap"],
            "cleanlab": mean.loc[OUT_OF_FOLD, "ap"],
            "FiftyOne": mean.loc["FiftyOne mistakenness", "ap"],
            "F1": ours["f1"],
            "ceiling": ours["ceiling"],
            "cleanlab F1": mean.loc[DEFAULT_FILTER, "f1"],
            "best cut": cuts.max(),
            "which cut": cuts.idxmax(),
            "right": us["n_suggested_right"].sum() / suggested if suggested else np.nan,
            "ECE": calibration_error(us["calibration"].tolist()),
            "calibration": np.sum(us["calibration"].tolist(), axis=0),
        }
        goals["AP"] = row["AP"] >= row["best single"] - 0.003
        goals["F1"] = row["F1"] >= row["ceiling"] - 0.02
        goals["right"] = row["right"] >= 0.95
        goals["ECE"] = row["ECE"] < 0.05
    return row | {f"goal {name}": met for name, met in goals.items()}


def summary(rows: pd.DataFrame) -> str:
    """Return the one table: means per kind of noise, and how many rows meet each goal."""
    table = [_means(f"{kind} {rate:.0%}" if rate else kind, of) for (kind, rate), of in _by_noise(rows)]
    table.append(_means("all", rows))
    head = (
        "labelaudit costs 1 training run, as the statistics do; cleanlab's 5-fold predictions cost 6. The calibration "
        "error (ECE) here is of all suggestions of a kind of noise together; the goal is judged row by row."
    )
    legend = "Goals met, in so many of the rows: " + "; ".join(f"{name}: {text}" for name, text in GOALS.items())
    return f"{_markdown(table)}\n\n{head}\n{legend}."


def _by_noise(rows: pd.DataFrame) -> Any:
    return rows.groupby(["kind", "rate"], sort=False)


def _means(name: str, of: pd.DataFrame) -> dict[str, str]:
    def mean(column: str) -> str:
        return _number(of[column].mean()) if column in of else ""

    met = []
    for goal in GOALS:
        found = of[f"goal {goal}"].dropna() if f"goal {goal}" in of else []
        if len(found):
            met.append(f"{goal} {int(sum(found))}/{len(found)}")
    clean = of[of["truth"] == 0]
    noisy = of[of["truth"] > 0]
    return {
        "noise": name,
        "AP": mean("AP"),
        "best single": mean("best single"),
        "aum": mean("aum"),
        "cleanlab 5-fold": mean("cleanlab"),
        "FiftyOne": mean("FiftyOne"),
        "AUROC": mean("AUROC"),
        "F1 at cut": mean("F1"),
        "F1 at true count": mean("ceiling"),
        "cleanlab F1": mean("cleanlab F1"),
        "best cut": mean("best cut"),
        "clean flagged": f"{clean['flagged'].mean():.2%}" if len(clean) else "",
        "cleanlab flags": f"{clean['cleanlab flagged'].mean():.2%}" if len(clean) else "",
        "count error": f"{of['count error'].mean():.1%}",
        "cleanlab's": f"{of['cleanlab count error'].mean():.1%}",
        "interval holds": f"{of['interval'].mean():.0%}",
        "suggestions right": mean("right"),
        "ECE": _number(calibration_error(noisy["calibration"].tolist())) if len(noisy) else "",
        "goals met": ", ".join(met),
    }


def all_rows(rows: pd.DataFrame) -> str:
    """Return every row."""
    table = []
    for row in rows.to_dict("records"):
        shown = {"data": row["data"], "noise": f"{row['kind']} {row['rate']:.0%}" if row["rate"] else row["kind"]}
        shown |= {
            name: _number(row.get(name))
            for name in ("AP", "best single", "aum", "cleanlab", "FiftyOne", "F1", "ceiling", "cleanlab F1", "best cut")
        }
        shown |= {"which single": row.get("which"), "which cut": row.get("which cut")}
        shown |= {"true rate": f"{row['truth']:.1%}", "flagged": f"{row['flagged']:.1%}"}
        shown |= {"count error": f"{row['count error']:.1%}", "right": _number(row.get("right"))}
        shown["ECE"] = _number(row.get("ECE"))
        shown["missed"] = ", ".join(goal for goal in GOALS if row.get(f"goal {goal}") is False)
        table.append({name: "" if value is None or value != value else value for name, value in shown.items()})
    return _markdown(table)


def all_methods(results: pd.DataFrame) -> str:
    """Return every method's means over all runs: rankings by average precision, then cuts by F1."""
    table = []
    of_method = results.groupby("method", sort=False)
    means = of_method[["runs", "ap", "auroc", "ceiling", "f1", "rate_error"]].mean()
    clean = results[results["n_wrong"] == 0]
    means["clean"] = (clean["n_flagged"] / clean["n"]).groupby(clean["method"]).mean()
    for regime, of in results.groupby("regime", sort=False):
        means[f"AP {regime}"] = of.groupby("method")["ap"].mean()
        means[f"F1 {regime}"] = of.groupby("method")["f1"].mean()
    for name, row in means.sort_values(["ap", "f1"], ascending=False).iterrows():
        numbers = {column: _number(row[column]) for column in means if column != "runs"}
        table.append({"method": name, "training runs": f"{row['runs']:.0f}", **numbers})
    return _markdown(table)


def ablation(results: pd.DataFrame) -> str:
    """Return means over all runs of labelaudit and of its variants."""
    ours = results[results["group"].isin(["labelaudit", "ablation"])]
    table = []
    for method, of in ours.groupby("method", sort=False):
        noisy, clean = of[of["n_wrong"] > 0], of[of["n_wrong"] == 0]
        shown = {"variant": method} | {
            name: _number(noisy[column].mean())
            for name, column in (("AP", "ap"), ("F1 at cut", "f1"), ("F1 at true count", "ceiling"))
        }
        for kind in ("symmetric", "pair", "confusion", "instance", "ambiguous", "people", "human"):
            shown[f"AP {kind}"] = _number(noisy.loc[noisy["kind"] == kind, "ap"].mean())
            shown[f"F1 {kind}"] = _number(noisy.loc[noisy["kind"] == kind, "f1"].mean())
        shown["clean flagged"] = f"{clean['n_flagged'].sum() / max(clean['n'].sum(), 1):.2%}"
        shown["count error"] = f"{of['rate_error'].mean():.2%}"
        shown["suggestions right"] = _number(noisy["n_suggested_right"].sum() / noisy["n_suggested"].sum())
        shown["ECE"] = _number(calibration_error(noisy["calibration"].tolist()))
        table.append(shown)
    return _markdown(table)


def _number(value: Any) -> str:
    return "" if value is None or np.isnan(value) else f"{value:.3f}"


def _markdown(table: list[dict[str, Any]]) -> str:
    names = list(table[0])
    lines = [names, ["---"] * len(names), *[[row[name] for name in names] for row in table]]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
