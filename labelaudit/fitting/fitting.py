"""``fit``: the run from images to corrections."""

from __future__ import annotations

import importlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from labelaudit.auditing import Audit, audit
from labelaudit.errors import LabelAuditError
from labelaudit.fitting.config import FFCV, FitConfig, read_config
from labelaudit.fitting.corrections import asked_classes, corrections_table
from labelaudit.fitting.fitted import Fitted
from labelaudit.fitting.image_cache import LARGE, SMALL, prepare
from labelaudit.fitting.image_list import ImageList, read_images
from labelaudit.fitting.image_sources import Images
from labelaudit.fitting.out_of_sample import HELD_OUT, OutOfSample, probabilities_of, votes_of, votes_of_tracker
from labelaudit.fitting.plan import Progress, coverage, plan_text
from labelaudit.fitting.splits import Split, n_folds, split_of
from labelaudit.fitting.state import Repeat, State, claim, holds_results, open_state
from labelaudit.history import History, open_history
from labelaudit.history.folder import write_file

# What trains is named here only, and loaded when a run begins: it needs torch.
_TRAINING = "labelaudit.callbacks.training.one_repeat"
_FFCV_FILE = "labelaudit.callbacks.training.ffcv_file"
_FFCV_LOADER = "labelaudit.callbacks.training.ffcv_loader"


def fit(
    config: FitConfig | Mapping[str, Any] | str | os.PathLike[str] | None = None,
    /,
    *,
    data: tuple[Any, Any] | None = None,
    overwrite: bool = False,
    progress: bool = True,
    **keys: Any,
) -> Fitted:
    """Train on a folder of images several times, each time with another part held out, and audit all of it.

    A run that was interrupted or killed goes on where it stopped, with the result of one that was not. Nothing in the
    data is changed; `labelaudit.relabel`, or ``labelaudit relabel RESULTS``, applies the corrections.

    Args:
        config: a YAML file, a mapping of keys or a `FitConfig`; default: the defaults.
        data: arrays instead of data_path: images (n, H, W[, C]) and labels (n,).
        overwrite: start anew in a results folder that holds another run; its results are deleted once the new settings
            have trained on a batch.
        progress: print the plan, and bars, to standard error.
        **keys: keys of the configuration, such as ``data_path="photos"``; they come before the file's.

    Raises:
        LabelAuditError: a key is wrong, there are no images of two classes, torch is not installed, or the results
            folder holds a run of other images or settings.
    """
    started = time.perf_counter()
    settings = read_config(config, **keys)
    training = _training()
    if settings.fast_loader == FFCV:
        importlib.import_module(_FFCV_FILE).need_ffcv()
    if data is None and settings.folder.resolve().is_relative_to(Path(settings.data_path).resolve()):
        raise LabelAuditError(
            f"results_path {settings.folder} lies inside {settings.data_path}, where it would be taken for a class; "
            "name a place outside"
        )
    listed = read_images(settings.data_path if data is None else data)
    claim(settings)
    images, source, how = prepare(
        listed,
        settings.folder / "cache",
        image_size=settings.image_size,
        largest=SMALL if settings.model_name == "small_cnn" else LARGE,
        colour=settings.model_name != "small_cnn" and "." not in settings.model_name,  # torchvision's take colour only
        fast=bool(settings.fast_loader),
        progress=progress,
    )
    if len(images.class_names) < 2:
        raise LabelAuditError(
            f"all {len(images):,} images are of one class, {images.class_names[0]!r}; expected two or more"
        )
    place = "" if data is not None else os.path.abspath(settings.data_path)
    folds = n_folds(settings.n_repeats, settings.test_split)
    tracker = None
    if settings.pred_tracker is not None:  # what is wrong with it is said before the training
        tracker = votes_of_tracker(settings.pred_tracker, images.ids, images.class_names, images.labels)
    if overwrite and holds_results(settings.folder):
        _try(training, settings, images, source, folds)
    state = open_state(settings, images, place, folds, overwrite=overwrite)
    _write_inputs(settings, images)
    splits = [_split(settings, images, state.folds, repeat) for repeat in range(settings.n_repeats)]
    bar = Progress(progress, settings.n_repeats, settings.num_epochs)
    done = sum(repeat < settings.n_repeats for repeat in state.repeats)
    reading = how + (", read by FFCV" if settings.fast_loader == FFCV else "")
    bar.say(plan_text(settings, images, reading, splits, done))
    read_from: Any = source
    if settings.fast_loader == FFCV and done < settings.n_repeats:
        loader = importlib.import_module(_FFCV_LOADER)
        read_from = loader.FfcvImages(
            source, settings.folder / "cache", batch_size=settings.batch_size, num_workers=settings.num_workers
        )
    for repeat, split in enumerate(splits):
        if repeat not in state.repeats:
            _train(training, settings, images, read_from, split, state, repeat, bar)
    found, out = _read(settings, state, images, tracker)
    return _written(settings, images, splits, state, found, out, time.perf_counter() - started)


def _training() -> Any:
    try:
        return importlib.import_module(_TRAINING)
    except ModuleNotFoundError as problem:
        raise LabelAuditError(
            f"fit trains with PyTorch Lightning, but {problem.name} is not installed. "
            'Type: pip install "labelaudit[train]"'
        ) from None


def _split(settings: FitConfig, images: ImageList, folds: int, repeat: int) -> Split:
    return split_of(
        images.labels,
        repeat,
        kind=settings.splits,
        folds=folds,
        test_split=settings.test_split,
        val_split=settings.val_split if settings.track_eval else None,
        seed=settings.seed,
    )


def _write_inputs(settings: FitConfig, images: ImageList) -> None:
    """Write the configuration as used, and which images cannot be read."""
    import pandas as pd

    write_file(settings.folder / "config.yaml", settings.to_yaml().encode())
    table = pd.DataFrame({"filename": list(images.unreadable), "reason": list(images.unreadable.values())})
    write_file(settings.folder / "unreadable.csv", table.to_csv(index=False, lineterminator="\n").encode())


def _try(training: Any, settings: FitConfig, images: ImageList, source: Images, folds: int) -> None:
    """Train on one batch elsewhere: what is wrong with the settings is said before old results are deleted."""
    told = training.Told(lambda: None, lambda *_: None, lambda *_: None)
    split = _split(settings, images, folds, 0)
    with tempfile.TemporaryDirectory() as place:
        history, checkpoints = Path(place) / "history", Path(place) / "checkpoints"
        _train_repeat(training, settings, images, source, split, history, checkpoints, 0, told, trial=True)


def _train(
    training: Any,
    settings: FitConfig,
    images: ImageList,
    source: Images,
    split: Split,
    state: State,
    repeat: int,
    bar: Progress,
) -> None:
    started = time.perf_counter()
    bar.begin(repeat, settings.num_epochs * -(-len(split.train) // settings.batch_size))
    history, told = state.history(repeat), training.Told(bar.batch, bar.epoch, bar.accuracy)
    epoch = _train_repeat(
        training, settings, images, source, split, history, state.checkpoints(repeat), repeat, told, trial=False
    )
    bar.end()
    _refuse_diverged(open_history(history), settings.learning_rate)
    state.repeats[repeat] = Repeat(epoch, round(time.perf_counter() - started, 3))
    state.save()


def _train_repeat(
    training: Any,
    settings: FitConfig,
    images: ImageList,
    source: Images,
    split: Split,
    history: Path,
    checkpoints: Path,
    repeat: int,
    told: Any,
    *,
    trial: bool,
) -> int:
    """Train one repeat with the settings, or only try to; return the epoch that counts."""
    epoch: int = training.train_repeat(
        source,
        images.labels,
        split,
        history=history,
        checkpoints=checkpoints,
        sample_ids=images.ids,
        class_names=images.class_names,
        model_name=settings.model_name,
        model_weights=settings.model_weights,
        learning_rate=settings.learning_rate,
        batch_size=settings.batch_size,
        num_epochs=settings.num_epochs,
        num_workers=settings.num_workers,
        augment=settings.augment,
        device=settings.device,
        seed=(settings.seed, repeat),
        told=told,
        trial=trial,
    )
    return epoch


def _refuse_diverged(history: History, learning_rate: float) -> None:
    for split in history.splits:
        for epoch in history.runs_read[0].epochs(split):
            if np.isnan(history.epoch(epoch, split=split)["loss"].to_numpy()).any():
                raise LabelAuditError(
                    f"the training has diverged: {history.path} holds NaN in epoch {epoch}. Pass a learning_rate below "
                    f"{learning_rate:g}, and --overwrite (overwrite=True) to start anew"
                )


def _read(settings: FitConfig, state: State, images: ImageList, tracker: Any) -> tuple[Audit, OutOfSample]:
    """Audit all repeats, and collect what models said of images that they never saw."""
    paths = [state.history(repeat) for repeat in range(settings.n_repeats)]
    history = _opened(paths)
    found = audit(history)
    given = found.codes("given_label")
    ids = [str(one) for one in found.samples.index]
    votes = votes_of(paths, [state.repeats[repeat].epoch for repeat in range(settings.n_repeats)], ids)
    if tracker is not None:
        where = {name: i for i, name in enumerate(images.ids)}
        votes = np.concatenate([votes, tracker[:, [where[name] for name in ids]]])
    asked = asked_classes(found)
    return found, OutOfSample(votes, probabilities_of(history, ids, asked, given), asked)


def _opened(paths: list[Path]) -> History:
    alone = open_history(paths)
    held = any(HELD_OUT in run.splits for run in alone.runs_read)
    return open_history(paths, held_out=HELD_OUT) if held else alone


def _written(
    settings: FitConfig,
    images: ImageList,
    splits: list[Split],
    state: State,
    found: Audit,
    out: OutOfSample,
    seconds: float,
) -> Fitted:
    folder = settings.folder
    table = corrections_table(found, out, settings.sensitivity)
    write_file(settings.csv, table.to_csv(lineterminator="\n").encode())
    found.save(folder / "audit")
    found.to_html(folder / "report.html", images=_pictures(images), title=f"Label audit of {folder.resolve().name}")
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return Fitted(
        found,
        table,
        settings,
        images.unreadable,
        coverage(splits, len(images)),
        seconds,
        [state.history(repeat) for repeat in range(settings.n_repeats)],
    )


def _pictures(images: ImageList) -> Callable[[Any], Any]:
    """Return the function from an image's id to what the report shows."""
    if images.arrays is not None:
        rows = {name: row for row, name in enumerate(images.ids)}
        return lambda name: images.arrays[rows[str(name)]].squeeze()  # type: ignore[index]
    root = images.root
    assert root is not None
    return lambda name: root / str(name)
