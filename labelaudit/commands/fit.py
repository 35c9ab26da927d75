"""The command ``labelaudit fit``."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from labelaudit.commands.answer import as_json
from labelaudit.commands.terminal import tell
from labelaudit.errors import LabelAuditError
from labelaudit.visible import typed

INIT = "labelaudit-fit.yaml"


def add_fit(commands: Any) -> None:
    """Add the command to the parser."""
    from labelaudit.fitting.config import KEYS

    sub = commands.add_parser(
        "fit",
        help="train on a folder of images, several times, and find wrong labels",
        description="Reads DATA/CLASS/IMAGE, trains several times with another part of the images held out each time, "
        "audits all of it and writes corrections.csv, report.html and the audit. Changes nothing in the data. An "
        "interrupted run goes on with the same command.",
    )
    sub.add_argument("config", nargs="?", metavar="CONFIG.yaml", help="a file of the keys below")
    sub.add_argument(
        "--init", nargs="?", const=INIT, metavar="FILE", help=f"write a commented configuration ({INIT}) and end"
    )
    keys = sub.add_argument_group("keys", "each also a key of the file, with _ for -; an option comes before the file")
    for key in KEYS:
        _add_key(keys, key)
    sub.add_argument("--overwrite", action="store_true", help="start anew where results_path holds another run")
    sub.add_argument("--quiet", action="store_true", help="print no plan and no progress")
    sub.add_argument("--json", action="store_true", help="print one JSON object")
    sub.set_defaults(run=_fit)


def _add_key(group: Any, key: dataclasses.Field[Any]) -> None:
    option, kind = "--" + key.name.replace("_", "-"), str(key.type).removesuffix(" | None")
    default = "" if key.default is None else f" (default {key.default})"
    meaning = (key.metadata["meaning"] + default).replace("%", "%%")
    if kind == "bool":
        group.add_argument(option, action=argparse.BooleanOptionalAction, default=None, help=meaning)
        return
    types: dict[str, Any] = {"int": int, "float": float, "str": str}
    choices = key.metadata["choices"]
    metavar = "|".join(choices) if choices else {"int": "N", "float": "X", "str": "TEXT"}[kind]
    if kind == "bool | str":  # --key, --key VALUE or --no-key
        group.add_argument(option, nargs="?", const="true", choices=choices, metavar=metavar, help=meaning)
        group.add_argument("--no-" + option[2:], dest=key.name, action="store_const", const="false", help="as false")
        return
    group.add_argument(option, type=types[kind], default=None, metavar=metavar, help=meaning)


def _fit(arguments: argparse.Namespace) -> int:
    from labelaudit.fitting.config import KEYS, FitConfig, read_config

    given = {key.name: getattr(arguments, key.name) for key in KEYS if getattr(arguments, key.name) is not None}
    if arguments.init is not None:
        return _init(arguments.init, FitConfig(**given), json=arguments.json)
    config = read_config(arguments.config, **given)
    if arguments.config is None and "data_path" not in given:
        raise LabelAuditError(
            "say what to train on: labelaudit fit CONFIG.yaml, or --data-path FOLDER. To write a configuration, type: "
            "labelaudit fit --init"
        )
    from labelaudit.fitting.fitting import fit

    found = fit(config, overwrite=arguments.overwrite, progress=not (arguments.quiet or arguments.json))
    tell(as_json({**found.to_dict(), "summary": dict(found.audit.summary)}) if arguments.json else found)
    return 0


def _init(place: str, config: Any, *, json: bool) -> int:
    try:
        with open(place, "x", encoding="utf-8") as file:
            file.write(config.to_yaml())
    except FileExistsError:
        raise LabelAuditError(f"{place} exists and is never overwritten; name another file") from None
    said = f"Written: {place}. Edit it, then type: labelaudit fit {typed(place)}"
    tell(as_json({"config": place}) if json else said)
    return 0
