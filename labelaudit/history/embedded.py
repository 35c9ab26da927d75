"""What a history says of its embeddings: the vectors, pictures of them, and an index of look-alikes."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from labelaudit.errors import LabelAuditError

if TYPE_CHECKING:
    from labelaudit.embedding import Embeddings, Similarity, Visualization
    from labelaudit.history.history import History


class Embedded:
    """The part of a `History` that reads embeddings."""

    def embeddings(
        self, split: str | Sequence[str] | None = None, *, epoch: int | None = None, run: int | None = None
    ) -> Embeddings:
        """Return the feature vectors that the model computed while it trained, one per sample.

        They are those of the training step: with dropout and augmentation, if there were any.

        Args:
            split: "train" (default), "val", ...; of several splits the ids become "train/0", "val/0", ...
            epoch: of which epoch; default the last one recorded.
            run: of which run, where there are several; default the first one that holds any, with a warning where
                others do, too: each run's vectors lie in a space of their own, and those of two are never mixed.

        Raises:
            LabelAuditError: no embeddings were recorded there; the message says what to pass to the recorder.
        """
        from labelaudit.embedding import Embeddings
        from labelaudit.history.recorded_embeddings import chosen_epoch, chosen_run, read_embeddings

        history = cast("History", self)
        one = split is None or isinstance(split, str)
        splits = [history._split(name) for name in ((split,) if split is None or isinstance(split, str) else split)]
        if not splits:
            raise LabelAuditError(f"split={split!r} names no split; recorded: {', '.join(history.splits)}")
        run = chosen_run(history, splits[0], run, stacklevel=3)
        of_run, epochs = history.runs_read[run], []
        vectors, ids, labels = [], [], []
        for name in splits:
            epochs.append(chosen_epoch(of_run, name, epoch))
            rows, features = read_embeddings(of_run, name, epochs[-1])
            table = of_run.samples(name)
            here = (table.keys if table.ids is None else table.ids)[rows]
            vectors.append(features)
            ids.append(here if one else np.array([f"{name}/{sample}" for sample in here.tolist()], dtype=object))
            labels.append(table.labels[rows])
        found = Embeddings.from_arrays(
            vectors[0] if one else np.concatenate(vectors),
            ids[0] if one else np.concatenate(ids),
            labels=np.concatenate(labels),
            splits=None if one else np.repeat(splits, [len(part) for part in ids]),
            class_names=history.class_names,
        )
        if one:
            found.source = {"split": splits[0], "epoch": epochs[0], "run": run}
        return found

    def visualize(
        self,
        method: str = "umap",
        *,
        seed: int = 0,
        split: str | None = None,
        epoch: int | None = None,
        run: int | None = None,
        ids: Any = None,
        key: str | None = None,
        overwrite: bool = False,
        **parameters: Any,
    ) -> Visualization:
        """Return the samples as points in the plane, and keep them with the history.

        Without a key they are kept under the method's name ("umap", then "umap-2", ...), and given back at once when
        the same is asked again and the history has not changed. A history in memory keeps nothing.

        Args:
            method: "umap", "tsne" or "pca"; see `Embeddings.visualize`.
            seed: of the method.
            split: which split; default "train".
            epoch: of which epoch the embeddings are; default the last one recorded.
            run: of which run, where there are several; see `embeddings`.
            ids: only these samples, (m,).
            key: name to keep them under: ``history.runs.load(key)`` gives them back.
            overwrite: replace the run that has this key.
            parameters: go to the method.

        Raises:
            LabelAuditError: no embeddings were recorded, or the key is taken.
        """
        options = {"method": method, "seed": seed, **parameters}
        return self._kept(
            "visualization",
            method,
            lambda embeddings: embeddings.visualize(method, seed=seed, **parameters),
            options,
            split,
            epoch,
            run,
            ids,
            key,
            overwrite,
        )

    def similarity(
        self,
        *,
        metric: str = "cosine",
        split: str | None = None,
        epoch: int | None = None,
        run: int | None = None,
        ids: Any = None,
        key: str | None = None,
        overwrite: bool = False,
    ) -> Similarity:
        """Return an index of look-alikes, and keep it with the history, under "similarity" if no key is given.

        Args:
            metric: "cosine" or "euclidean"; see `Embeddings.similarity`.
            split: which split; default "train".
            epoch: of which epoch the embeddings are; default the last one recorded.
            run: of which run, where there are several; see `embeddings`.
            ids: only these samples, (m,).
            key: name to keep it under.
            overwrite: replace the run that has this key.

        Raises:
            LabelAuditError: no embeddings were recorded, or the key is taken.
        """
        return self._kept(
            "similarity",
            "similarity",
            lambda embeddings: embeddings.similarity(metric=metric),
            {"metric": metric},
            split,
            epoch,
            run,
            ids,
            key,
            overwrite,
        )

    def _kept(
        self,
        kind: str,
        name: str,
        make: Callable[[Embeddings], Any],
        options: dict[str, Any],
        split: str | None,
        epoch: int | None,
        run: int | None,
        ids: Any,
        key: str | None,
        overwrite: bool,
    ) -> Any:
        """Return a result made of embeddings: the one kept if there is one, else a new one, which is kept."""
        from labelaudit.history.recorded_embeddings import chosen_epoch, chosen_run

        history = cast("History", self)
        runs, split = history.runs, history._split(split)
        run = chosen_run(history, split, run, stacklevel=4)
        options |= {"split": split, "epoch": chosen_epoch(history.runs_read[run], split, epoch)}
        if run:  # without several runs the parameters are those that were always kept
            options["run"] = run
        if ids is not None:
            options["ids_crc32"] = f"{zlib.crc32(repr(np.asarray(ids).tolist()).encode()):08x}"
        if key is not None:
            runs.check_free(key, overwrite=overwrite)
        else:
            before = runs.find(kind, options)
            if before is not None:
                return runs.load(before)
        embeddings = self.embeddings(split, epoch=options["epoch"], run=run)
        made = make(embeddings if ids is None else embeddings.select(ids))
        runs.keep(made, key, name, parameters=options, overwrite=overwrite)
        return made
