"""The command ``labelaudit review``."""

from __future__ import annotations

import argparse
import json
import webbrowser
from typing import Any

from labelaudit.commands.places import images_named
from labelaudit.commands.terminal import tell


def add_review(commands: Any) -> None:
    """Add the command to the parser."""
    sub = commands.add_parser(
        "review",
        help="decide sample by sample, in a browser on this machine",
        description="Serves a page on 127.0.0.1 until it is interrupted. Every decision is on disk at once; the same "
        "command goes on where it stopped.",
    )
    sub.add_argument("audit", metavar="RUN", help="an audit's folder, or a run, which is audited")
    sub.add_argument(
        "--images", metavar="DIR", help="folder that the sample ids are files in, or an .npy array of images"
    )
    sub.add_argument(
        "--rows",
        metavar="FILE",
        help="CSV or Parquet file whose first column is the sample id: table rows or texts to show",
    )
    sub.add_argument(
        "--decisions", metavar="FILE", help="where decisions are kept (default RUN/review/decisions.jsonl)"
    )
    sub.add_argument("--reviewer", metavar="NAME", help="who decides (default: the user's name)")
    sub.add_argument("--port", type=int, default=0, help="default: a free one")
    sub.add_argument("--no-browser", action="store_true", help="only print the address")
    sub.add_argument("--export", metavar="FILE", help="write the decisions as .csv, .parquet or .json, and end")
    sub.add_argument("--json", action="store_true", help="print the address, or the counts, as one JSON object")
    sub.set_defaults(run=_review)


def _review(arguments: argparse.Namespace) -> int:
    from labelaudit.reviewing.decisions import load_decisions, write_decisions
    from labelaudit.reviewing.opening import decisions_place, open_review

    if arguments.export is not None:
        place = decisions_place(arguments.audit, arguments.decisions)
        table = load_decisions(place)
        write_decisions(table, arguments.export)
        counts = {action: int(n) for action, n in table["action"].value_counts().items()}
        said = ", ".join(f"{n:,} {action}" for action, n in counts.items()) or "none"
        facts = {"export": arguments.export, **counts}
        tell(json.dumps(facts) if arguments.json else f"Decisions: {said}\n{arguments.export}")
        return 0
    with open_review(
        arguments.audit,
        images=images_named(arguments.images),
        rows=arguments.rows,
        decisions=arguments.decisions,
        reviewer=arguments.reviewer,
        port=arguments.port,
    ) as review:
        facts = {"url": review.url, "decisions": str(review.decisions)}
        said = f"Review: {review.url}\nDecisions: {review.decisions}\nCtrl-C ends it."
        tell(json.dumps(facts) if arguments.json else said, flush=True)
        if not arguments.no_browser:
            webbrowser.open(review.url)
        review.wait()
    return 0
