"""The command ``labelaudit compare``."""

from __future__ import annotations

import argparse
from typing import Any

from labelaudit.commands.answer import as_json
from labelaudit.commands.places import check_place
from labelaudit.commands.terminal import tell
from labelaudit.visible import one_line


def add_compare(commands: Any) -> None:
    """Add the command to the parser."""
    sub = commands.add_parser("compare", help="two audits side by side: before and after correcting, or two runs")
    sub.add_argument("before", metavar="A", help="an audit's folder, or a run, which is audited")
    sub.add_argument("after", metavar="B", help="the same")
    sub.add_argument("--csv", metavar="FILE", help="write one row per sample with both audits' labels and flags")
    sub.add_argument("--top", type=int, default=10, metavar="N", help="print this many of each kind (default 10)")
    sub.add_argument("--json", action="store_true", help="print one JSON object")
    sub.set_defaults(run=_compare)


def _compare(arguments: argparse.Namespace) -> int:
    from labelaudit.auditing.comparison import compare
    from labelaudit.history.folder import write_file

    check_place("--csv", arguments.csv, "file")
    found = compare(arguments.before, arguments.after)
    if arguments.csv:
        write_file(arguments.csv, found.samples.to_csv(lineterminator="\n").encode())
    if arguments.json:
        tell(as_json({**found.to_dict(), "csv": arguments.csv}))
        return 0
    tell(found)
    kinds = {"No longer flagged": found.no_longer_flagged, "Newly flagged": found.newly_flagged}
    for title, rows in kinds.items():
        if len(rows) and arguments.top > 0:
            tell(f"\n{title}:")
            for sample, row in rows.head(arguments.top).iterrows():
                given = row["given_before"]
                label = given if given == row["given_after"] else f"{given} -> {row['given_after']}"
                quality = f"quality {row['quality_before']:.3f} -> {row['quality_after']:.3f}"
                tell(one_line(f"  {sample}: {label}, {quality}"))
    if arguments.csv:
        tell(f"All samples (CSV): {arguments.csv}")
    return 0
