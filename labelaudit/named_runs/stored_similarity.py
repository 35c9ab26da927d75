"""A similarity index in a folder: what it was made of, and what the last search in it kept."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from labelaudit.errors import LabelAuditError
from labelaudit.history import arrow_file
from labelaudit.history.folder import open_folder
from labelaudit.history.samples import as_id_array, numbers
from labelaudit.named_runs.source import Source
from labelaudit.named_runs.view import read_view

if TYPE_CHECKING:
    from labelaudit.embedding import Embeddings, Similarity
    from labelaudit.history import History

NAME, VECTORS = "index.json", "vectors.arrow"


def save(index: Similarity, path: str) -> None:
    """Write the index; vectors that a history recorded stay there, others are written with it."""
    folder, of = open_folder(path), index.embeddings
    searched = index.searched
    facts = {
        "metric": index.metric,
        "source": of.source,
        "threshold": index.threshold,
        "unique_ids": index.unique_ids.tolist() if searched else None,
    }
    folder.write(NAME, json.dumps(facts).encode())
    if of.source is None:
        folder.write(VECTORS, arrow_file.encode(_columns(of), {"class_names": of.class_names}))


def load(path: str, history: History, made_of: Source) -> Similarity:
    """Read it back.

    Raises:
        LabelAuditError: the history no longer holds the embeddings that it is an index of, or is opened without the
            run that they are of.
    """
    from labelaudit.embedding import Similarity

    folder = open_folder(path)
    facts = json.loads(bytes(folder.read(NAME)))
    source = facts["source"]
    if source is not None:
        _check_run(source.get("run", 0), history, made_of)
    of = _read_vectors(path) if source is None else history.embeddings(**source)
    return Similarity.restored(of, facts["metric"], read_view(folder), facts["threshold"], facts["unique_ids"])


def _check_run(run: int, history: History, made_of: Source) -> None:
    """Refuse a history whose run of this number is another one than the index was made of."""
    here = [os.path.basename(one.url.rstrip("/")) for one in history.trained]
    then = [one["url"] for one in made_of]
    if run and here[run : run + 1] != then[run : run + 1]:  # run 0 is the one that the index is kept with
        raise LabelAuditError(
            f"this index is of the embeddings of {then[run]}, run {run} of {', '.join(then)}; "
            f"the history at hand is of {', '.join(here)}. Type open_history([...]) with those runs, in that order"
        )


def _columns(of: Embeddings) -> dict[str, Any]:
    flat = pa.array(np.ascontiguousarray(of.vectors).reshape(-1))
    columns = {
        "sample_id": pa.array(of.sample_ids.tolist()),
        "embedding": pa.FixedSizeListArray.from_arrays(flat, of.vectors.shape[1]),
    }
    for name in ("labels", "splits", "inside"):
        values = getattr(of, name)
        if values is not None:
            columns[name] = pa.array(values.tolist())
    return columns


def _read_vectors(path: str) -> Embeddings:
    from labelaudit.embedding import Embeddings

    folder = open_folder(path)
    header, table = arrow_file.decode(folder.read(VECTORS), f"{folder.url}/{VECTORS}")
    column = table["embedding"].combine_chunks()
    further = {name: table[name].to_pylist() for name in ("labels", "splits", "inside") if name in table.column_names}
    return Embeddings.from_arrays(
        numbers(column.flatten()).reshape(len(column), column.type.list_size),
        as_id_array(table["sample_id"].to_pylist()),
        class_names=header["class_names"],
        **further,
    )
