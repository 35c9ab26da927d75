"""The command ``labelaudit runs``."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from labelaudit.commands.answer import as_json
from labelaudit.commands.terminal import tell
from labelaudit.visible import typed

if TYPE_CHECKING:
    from labelaudit.named_runs import NamedRuns


def add_runs(commands: Any) -> None:
    """Add the command to the parser."""
    sub = commands.add_parser(
        "runs",
        help="the audits, visualizations and indexes kept with a run",
        description="What is kept with a run under names of its own: see labelaudit audit --key.",
    )
    sub.add_argument("history", metavar="RUN", help="a history's folder or URL")
    sub.set_defaults(run=_list)
    actions = sub.add_subparsers(title="actions", metavar="ACTION")
    for name, keys, action, said in (
        ("list", (), _list, "name them all (the default)"),
        ("info", ("KEY",), _info, "what one was made of; checks every file"),
        ("rename", ("OLD", "NEW"), _rename, "give one another name"),
        ("delete", ("KEY",), _delete, "remove what one wrote, and nothing else"),
    ):
        one = actions.add_parser(name, help=said)
        for key in keys:
            one.add_argument(key.lower(), metavar=key)
        one.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print one JSON object")
        one.set_defaults(run=action)
    sub.add_argument("--json", action="store_true", help="print one JSON object")


def _runs(arguments: argparse.Namespace) -> NamedRuns:
    from labelaudit.auditing.source import refuse_other_folders
    from labelaudit.history import open_history

    refuse_other_folders(arguments.history)
    return open_history(arguments.history).runs


def _list(arguments: argparse.Namespace) -> int:
    runs = _runs(arguments)
    infos = [runs.info(key) for key in runs.list()]
    if arguments.json:
        tell(as_json({"runs": [info.to_dict() for info in infos]}))
        return 0
    if not infos:
        tell(f"{arguments.history} keeps no results yet. Type: labelaudit audit {typed(arguments.history)} --key NAME")
    width = max((len(info.key) for info in infos), default=0)
    for info in infos:
        state = "damaged" if info.problems else f"{info.n_samples:,} samples"
        tell(f"{info.key:{width}}  {info.kind or '?':13}  {info.created[:16]:16}  {state}")
    return 0


def _info(arguments: argparse.Namespace) -> int:
    info = _runs(arguments).info(arguments.key)
    tell(as_json(info.to_dict()) if arguments.json else info)
    return 2 if info.problems else 0


def _rename(arguments: argparse.Namespace) -> int:
    _runs(arguments).rename(arguments.old, arguments.new)
    facts = {"old": arguments.old, "new": arguments.new}
    tell(as_json(facts) if arguments.json else f"{arguments.old} is now {arguments.new}")
    return 0


def _delete(arguments: argparse.Namespace) -> int:
    _runs(arguments).delete(arguments.key)
    tell(as_json({"deleted": arguments.key}) if arguments.json else f"Deleted {arguments.key}")
    return 0
