"""The kinds of results that can be kept: how each is written into a folder, read back and described."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from labelaudit.errors import LabelAuditError
from labelaudit.named_runs import stored_similarity, stored_visualization
from labelaudit.named_runs.source import Source

if TYPE_CHECKING:
    from labelaudit.history import History


@dataclass(frozen=True)
class Kind:
    """One kind of result.

    Attributes:
        module: where its class is.
        name: of the class.
        save: (result, folder) writes it into a new folder.
        load: (folder, history, what it was made of) reads it back.
        sample_ids: (result) ids of the samples it was computed on, (n,).
        parameters: (result) what it was computed with.
    """

    module: str
    name: str
    save: Callable[[Any, str], None]
    load: Callable[[str, History, Source], Any]
    sample_ids: Callable[[Any], Any]
    parameters: Callable[[Any], dict[str, Any]]


def _load_audit(path: str, history: History, made_of: Source) -> Any:
    from labelaudit.auditing.result import load_audit

    found = load_audit(path)
    found.history = history
    return found


def _audit_parameters(audit: Any) -> dict[str, Any]:
    return {name: audit.info.get(name) for name in ("expected_error_rate", "threshold")}


def _load_visualization(path: str, history: History, made_of: Source) -> Any:
    return stored_visualization.load(path)


def _similarity_parameters(index: Any) -> dict[str, Any]:
    return {"metric": index.metric, **(index.embeddings.source or {})}


KINDS: dict[str, Kind] = {
    "audit": Kind(
        "labelaudit.auditing.result",
        "Audit",
        lambda audit, path: audit.save(path),
        _load_audit,
        lambda audit: audit.samples.index.to_numpy(),
        _audit_parameters,
    ),
    "visualization": Kind(
        "labelaudit.embedding.visualization",
        "Visualization",
        stored_visualization.save,
        _load_visualization,
        lambda visualization: visualization.sample_ids,
        lambda made: {"method": made.method, "seed": made.seed, **made.parameters},
    ),
    "similarity": Kind(
        "labelaudit.embedding.similarity",
        "Similarity",
        stored_similarity.save,
        stored_similarity.load,
        lambda index: index.sample_ids,
        _similarity_parameters,
    ),
}


def kind_of(result: Any) -> str:
    """Return the kind of a result.

    Raises:
        LabelAuditError: nothing of that type can be kept.
    """
    for kind, how in KINDS.items():
        if type(result).__module__.startswith("labelaudit.") and isinstance(
            result, getattr(import_module(how.module), how.name)
        ):
            return kind
    kept = ", ".join(sorted(how.name for how in KINDS.values()))
    raise LabelAuditError(f"a {type(result).__name__} can't be stored under a key; expected one of {kept}")
