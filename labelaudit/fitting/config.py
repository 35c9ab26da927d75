"""The keys of `labelaudit fit`: defaults, meaning, and the YAML file they are read from."""

from __future__ import annotations

import dataclasses
import difflib
import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelaudit.errors import LabelAuditError
from labelaudit.visible import typed

SEED_NAMES = {"ffcv": "fast_loader"}  # of auto-correct-labels
FFCV = "ffcv"  # the value of fast_loader


def _key(
    default: Any, meaning: str, choices: tuple[str, ...] = (), low: float | None = None, high: float | None = None
) -> Any:
    return dataclasses.field(
        default=default, metadata={"meaning": meaning, "choices": choices, "low": low, "high": high}
    )


@dataclass(frozen=True)
class FitConfig:
    """Every key of `labelaudit fit`; `KEYS` has their meaning.

    Raises:
        LabelAuditError: a value is of the wrong type or out of range.

    Example:
        >>> FitConfig(n_repeats=5).num_epochs
        6
        >>> FitConfig(n_repeats=0)
        Traceback (most recent call last):
            ...
        labelaudit.errors.LabelAuditError: n_repeats: 0 is out of range; expected 1 or more
    """

    data_path: str = _key("data", "folder with data/CLASS/IMAGE; or a CSV or Parquet file of path and label; or .npz")
    results_path: str = _key("results", "folder for all that is written; an interrupted run goes on there")
    model_name: str = _key(
        "small_cnn", "small_cnn (built in), a torchvision model such as efficientnet_b0, or your package.module.Class"
    )
    model_weights: str | None = _key(None, 'file of a state dict, or "pretrained" for torchvision\'s own; empty: none')
    n_repeats: int = _key(3, "how many models are trained, each on another part of the images", low=1)
    num_epochs: int = _key(6, "epochs of each", low=1)
    batch_size: int = _key(16, "images in a training step", low=1)
    learning_rate: float = _key(0.003, "highest learning rate; it rises to it and falls again", low=1e-9)
    splits: str = _key(
        "kfold",
        "kfold: each image is held out as often as any other; random: drawn anew for each repeat",
        ("kfold", "random"),
    )
    test_split: float = _key(
        0.2,
        "share held out in a repeat (kfold with 2 repeats or more: one of n_repeats folds, at most 1 / test_split)",
        low=0.01,
        high=0.9,
    )
    track_eval: bool = _key(False, "after each epoch print accuracy, and stop a repeat that no longer improves")
    val_split: float = _key(
        0.2, "share of the training images set apart for that; unused otherwise", low=0.01, high=0.9
    )
    fast_loader: bool | str = _key(
        True,
        "decode and resize once, into a memory-mapped file in results_path; ffcv: FFCV reads a file of its own there",
        ("true", "false", FFCV),
    )
    image_size: int | None = _key(
        None, "side in pixels that images are resized to; empty: chosen from the images", low=4
    )
    augment: str = _key(
        "none", "change training images: shift a little, or flip (that and left to right)", ("none", "shift", "flip")
    )
    device: str = _key("auto", "auto takes a GPU where there is one", ("auto", "cpu", "cuda", "mps"))
    num_workers: int = _key(
        0, "processes that read images (ffcv: threads); 0: the training itself (best with fast_loader)", low=0
    )
    sensitivity: float = _key(0.9, "smallest confidence of a correction that relabel applies, 0 to 1", low=0, high=1)
    pred_tracker: str | None = _key(None, "pickle of auto-correct-labels whose votes count too (read as data only)")
    seed: int = _key(0, "of splits and training: the same seed gives the same result", low=0)

    def __post_init__(self) -> None:
        for key in KEYS:
            object.__setattr__(self, key.name, _checked(key, getattr(self, key.name)))

    @property
    def folder(self) -> Path:
        """Where all is written: results_path, or the folder of a CSV file that it names."""
        path = Path(self.results_path)
        return path.parent if path.suffix.lower() == ".csv" else path

    @property
    def csv(self) -> Path:
        """The file of the corrections."""
        path = Path(self.results_path)
        return path if path.suffix.lower() == ".csv" else path / "corrections.csv"

    def to_yaml(self) -> str:
        """Return the configuration as a commented YAML file."""
        lines = ["# labelaudit fit: every key, with its meaning."]
        for key in KEYS:
            value = getattr(self, key.name)
            said = key.metadata["meaning"] + (
                f" ({', '.join(key.metadata['choices'])})" if key.metadata["choices"] else ""
            )
            lines += ["", f"# {said}", f"{key.name}: {'' if value is None else _scalar(value)}".rstrip()]
        return "\n".join(lines) + "\n"


KEYS = dataclasses.fields(FitConfig)


def _scalar(value: Any) -> str:
    """Return a value as YAML; texts quoted where YAML could take them for something else."""
    text = json.dumps(value, ensure_ascii=False)
    plain = isinstance(value, str) and value.replace("_", "").replace("/", "").isalnum() and value[0].isalpha()
    return (
        value if plain and value.lower() not in ("yes", "no", "on", "off", "true", "false", "null", "y", "n") else text
    )


def _checked(key: dataclasses.Field[Any], value: Any) -> Any:
    """Return a value as its key's type."""
    wanted = str(key.type).removesuffix(" | None")
    if value is None or value == "":
        if str(key.type).endswith("| None"):
            return None
        raise LabelAuditError(f"{key.name}: no value; expected {_expected(key, wanted)}")
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    if wanted in ("int", "float") and isinstance(value, str):  # YAML 1.1 takes 1e-3 for a text
        value = _number(value, wanted)
    if wanted == "bool | str" and value in ("true", "false"):  # an option is a text
        value = value == "true"
    fits = {
        "str": isinstance(value, str),
        "bool": isinstance(value, bool),
        "bool | str": isinstance(value, (bool, str)),
        "int": isinstance(value, int) and not isinstance(value, bool),
        "float": isinstance(value, (int, float)) and not isinstance(value, bool),
    }
    facts = key.metadata
    if not fits[wanted]:
        kind = {"int": "a whole number, ", "float": "a number, "}.get(wanted, "")
        raise LabelAuditError(f"{key.name}: {value!r} is of the wrong kind; expected {kind}{_expected(key, wanted)}")
    below = facts["low"] is not None and value < facts["low"]
    if below or (facts["high"] is not None and value > facts["high"]) or _is_endless(value):
        raise LabelAuditError(f"{key.name}: {value!r} is out of range; expected {_expected(key, wanted)}")
    if facts["choices"] and (str(value).lower() if isinstance(value, bool) else value) not in facts["choices"]:
        raise LabelAuditError(f"{key.name}: {value!r} is unknown; expected one of {', '.join(facts['choices'])}")
    return float(value) if wanted == "float" else value


def _number(text: str, wanted: str) -> int | float | str:
    """Return the number that a text says, or the text where it says none of the wanted kind."""
    try:
        found = float(text)
    except ValueError:
        return text
    if wanted == "float":
        return found
    return int(found) if found.is_integer() else text


def _is_endless(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def _expected(key: dataclasses.Field[Any], wanted: str) -> str:
    facts = key.metadata
    if facts["choices"]:
        return f"one of {', '.join(facts['choices'])}"
    if facts["low"] is not None:
        return f"{facts['low']} or more" if facts["high"] is None else f"{facts['low']} to {facts['high']}"
    return {"str": "a text", "bool": "true or false", "int": "a whole number", "float": "a number"}[wanted]


def read_config(source: FitConfig | Mapping[str, Any] | str | os.PathLike[str] | None, **keys: Any) -> FitConfig:
    """Return a configuration.

    Args:
        source: a configuration, a mapping of keys, the path of a YAML file, or None for the defaults.
        **keys: what is to be different.

    Raises:
        LabelAuditError: the file cannot be read, a key is unknown or a value is out of range.
    """
    if isinstance(source, FitConfig):
        found: dict[str, Any] = dataclasses.asdict(source)
        where = ""
    elif source is None or isinstance(source, Mapping):
        found, where = dict(source or {}), ""
    else:
        found, where = _from_yaml(Path(source)), f"{source}: "
    known = {key.name for key in KEYS}
    for name in [*found, *keys]:
        if name not in known and name not in SEED_NAMES:
            near = difflib.get_close_matches(str(name), [*known, *SEED_NAMES], 1, 0.5)
            hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
            raise LabelAuditError(f"{where}there is no key {name!r}; {hint}")
    both = {SEED_NAMES.get(name, name): value for name, value in {**found, **keys}.items()}
    return FitConfig(**{name: value for name, value in both.items() if value is not None})  # without a value: default


def _from_yaml(path: Path) -> dict[str, Any]:
    try:
        import yaml
    except ImportError:
        raise LabelAuditError(
            'a configuration file needs PyYAML. Type: pip install "labelaudit[train]"; or give the keys as options'
        ) from None
    if not path.is_file():
        raise LabelAuditError(
            f"there is no configuration {path}. To write one, type: labelaudit fit --init {typed(path)}"
        )
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as problem:
        first = " ".join(str(problem).split())
        raise LabelAuditError(f"{path} is no YAML that can be read: {first}") from None
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise LabelAuditError(f"{path} holds a {type(found).__name__}; expected lines such as n_repeats: 3")
    return found
