"""The methods that detection_objects.py compares, and how they are scored."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import average_precision_score

import labelaudit
from labelaudit.detection import Objects
from labelaudit.detection.overlap import overlapping

Scores = dict[str, float]


def ours(truth: pd.DataFrame, drawn: pd.DataFrame, error: np.ndarray, missing: pd.DataFrame, sizes: dict) -> Scores:
    found = labelaudit.audit_detections(truth, drawn, image_sizes=sizes)
    table, wrong = found.objects, error != "none"
    flagged = table["is_label_issue"].to_numpy()
    likely = found.missing[found.missing["is_label_issue"]]
    hits = _hits(likely, likely["confidence"].to_numpy(), missing)
    return {
        "class": average_precision_score(error == "class", table["mistakenness"]),
        "location": average_precision_score(error == "location", table["mistakenness_loc"]),
        "spurious": average_precision_score(error == "spurious", table["spurious_score"]),
        "missing": missing_precision(found.missing, found.missing["confidence"].to_numpy(), missing),
        "overall": average_precision_score(wrong, -table["label_quality"]),
        "precision": float((flagged & wrong).sum() / max(flagged.sum(), 1)),
        "recall": float((flagged & wrong).sum() / max(wrong.sum(), 1)),
        "missing precision": float(hits.mean()) if len(hits) else 0.0,
        "missing recall": float(hits.sum() / max(len(missing), 1)),
    }


def fiftyone(truth: pd.DataFrame, last: pd.DataFrame, error: np.ndarray, missing: pd.DataFrame, above: float) -> Scores:
    """FiftyOne Brain's formulas; a box without a match ranks last by mistakenness. Overall: the largest of three."""
    found = labelaudit.audit_detections(truth, last, rules="fiftyone", missing_confidence=above)
    table = found.objects
    mistakenness, place = (np.nan_to_num(table[name]) for name in ("mistakenness", "mistakenness_loc"))
    spurious = table["possible_spurious"].to_numpy(float)
    return {
        "class": average_precision_score(error == "class", mistakenness),
        "location": average_precision_score(error == "location", place),
        "spurious": average_precision_score(error == "spurious", spurious),
        "missing": missing_precision(found.missing, found.missing["confidence"].to_numpy(), missing),
        "overall": average_precision_score(error != "none", np.max([mistakenness, place, spurious], axis=0)),
    }


def objectlab(
    truth: pd.DataFrame,
    last: pd.DataFrame,
    error: np.ndarray,
    missing: pd.DataFrame,
    quantiles: tuple[float, float] | None,
) -> Scores:
    """Return how cleanlab's swap, badloc (also for spurious boxes, which have no score) and overlooked rank.

    Its low and high thresholds are two quantiles of the confidences, or its own, 0.5 and 0.95.
    """
    from cleanlab.object_detection import rank

    low, high = np.quantile(last["score"], quantiles) if quantiles else (0.5, 0.95)
    images, classes = sorted(set(truth["image_id"]) | set(last["image_id"])), int(truth["category"].max()) + 1
    given = {image: truth.iloc[rows] for image, rows in truth.groupby("image_id").indices.items()}
    seen = {image: last.iloc[rows] for image, rows in last.groupby("image_id").indices.items()}
    labels = [
        {
            "bboxes": _corners(given.get(i, truth.iloc[:0])),
            "labels": given.get(i, truth.iloc[:0])["category"].to_numpy(),
        }
        for i in images
    ]
    predictions = [_by_class(seen.get(image, last.iloc[:0]), classes) for image in images]
    both = {"labels": labels, "predictions": predictions}
    order = np.concatenate([given[image].index.to_numpy() for image in images if image in given])
    swap, place = np.ones(len(truth)), np.ones(len(truth))
    swap[order] = np.concatenate(rank.compute_swap_box_scores(**both, high_probability_threshold=high))
    place[order] = np.concatenate(rank.compute_badloc_box_scores(**both, low_probability_threshold=low))
    scores = rank.compute_overlooked_box_scores(**both, high_probability_threshold=high)
    parts = []
    for image, boxes, score in zip(images, predictions, scores, strict=True):
        corners = np.concatenate([np.asarray(part, float).reshape(-1, 5) for part in boxes])
        sides = dict(zip("xywh", np.c_[corners[:, :2], corners[:, 2:4] - corners[:, :2]].T, strict=True))
        parts.append(pd.DataFrame({"image_id": image, **sides, "overlooked": np.asarray(score, float)}))
    overlooked = pd.concat(parts, ignore_index=True).dropna()
    return {
        "class": average_precision_score(error == "class", -swap),
        "location": average_precision_score(error == "location", -place),
        "spurious": average_precision_score(error == "spurious", -place),
        "missing": missing_precision(overlooked, -overlooked["overlooked"].to_numpy(), missing),
        "overall": average_precision_score(error != "none", -np.minimum(swap, place)),
    }


def _by_class(drawn: pd.DataFrame, classes: int) -> np.ndarray:
    found = np.empty(classes, object)
    for kind in range(classes):
        part = drawn[drawn["category"] == kind]
        found[kind] = np.c_[_corners(part), part["score"].to_numpy()]
    return found


def _corners(frame: pd.DataFrame) -> np.ndarray:
    box = frame[["x", "y", "w", "h"]].to_numpy(float)
    return np.concatenate([box[:, :2], box[:, :2] + box[:, 2:]], axis=1)


def missing_precision(found: pd.DataFrame, confidence: np.ndarray, missing: pd.DataFrame) -> float:
    """Average precision of a ranked list of boxes; the objects that no box hits count as never found."""
    hits = _hits(found, confidence, missing)
    precision = hits.cumsum() / np.arange(1, len(hits) + 1)
    return float((precision * hits).sum() / max(len(missing), 1))


def _hits(found: pd.DataFrame, confidence: np.ndarray, missing: pd.DataFrame) -> np.ndarray:
    """Return, best box first, whether each one hits an object (IoU 0.5 or more) that no better one hit."""
    found = found.iloc[np.argsort(-confidence, kind="stable")]
    first, second = (Objects.of(t["image_id"], np.zeros(len(t)), _corners(t)) for t in (found, missing))
    pairs = overlapping(first.image, first.box, second.image, second.box, 0.5)
    rank = first.row[pairs.first]
    order = np.lexsort((-pairs.iou, rank))
    hits, taken = np.zeros(len(found), bool), set()
    for position, one in zip(rank[order].tolist(), pairs.second[order].tolist(), strict=True):
        if not hits[position] and one not in taken:
            hits[position] = True
            taken.add(one)
    return hits
