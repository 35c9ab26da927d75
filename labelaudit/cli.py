"""The command line: ``labelaudit audit RUN``, ``info RUN``, ``compact RUN``, ``demo``."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from labelaudit.commands.answer import as_json
from labelaudit.commands.compare import add_compare
from labelaudit.commands.fit import add_fit
from labelaudit.commands.places import check_place, images_named
from labelaudit.commands.relabel import add_relabel
from labelaudit.commands.review import add_review
from labelaudit.commands.runs import add_runs
from labelaudit.commands.terminal import tell
from labelaudit.errors import LabelAuditError
from labelaudit.visible import one_line

if TYPE_CHECKING:
    from labelaudit.history import History

ENDED_BY_PIPE = 141  # what a shell reports of a program that SIGPIPE ended


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code: 0 done, 2 bad input (one line says what), 130 interrupted, 141 unread."""
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], int] = arguments.run
    try:
        code = command(arguments)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # who read the output has enough of it, as head has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ENDED_BY_PIPE
    except LabelAuditError as problem:
        tell(f"labelaudit: {problem}", error=True)
    except OSError as problem:
        place = problem.filename2 or problem.filename  # of a renaming: the name that was asked for
        where = f"{place}: " if place else ""
        tell(f"labelaudit: {where}{problem.strerror or problem}", error=True)
    except KeyboardInterrupt:
        tell("labelaudit: interrupted", error=True)
        return 130
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="labelaudit", description="Find label mistakes in the prediction history of a training run."
    )
    parser.add_argument("--version", action="version", version=f"labelaudit {_version()}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_audit(commands)
    _add_info(commands)
    _add_compact(commands)
    _add_demo(commands)
    add_fit(commands)
    add_review(commands)
    add_relabel(commands)
    add_compare(commands)
    add_runs(commands)
    return parser


def _version() -> str:
    import labelaudit

    return labelaudit.__version__


def _add_audit(commands: Any) -> None:
    sub = commands.add_parser("audit", help="find the likely label errors of a run")
    sub.add_argument(
        "history", nargs="+", metavar="RUN", help="a history's folder or URL; several: runs on one data set"
    )
    sub.add_argument("--out", metavar="DIR", help="write the audit into this folder")
    sub.add_argument("--csv", metavar="FILE", help="write the flagged samples, the worst first")
    sub.add_argument("--html", metavar="FILE", help="write the report: one file that opens in any browser")
    sub.add_argument(
        "--images", metavar="DIR", help="folder that the sample ids are files in, or an .npy array of images"
    )
    sub.add_argument(
        "--embeddings", action="store_true", help="let recorded embeddings have a say: the labels of look-alikes"
    )
    sub.add_argument("--key", metavar="NAME", help="keep the audit with the run under this name: labelaudit runs RUN")
    sub.add_argument("--overwrite", action="store_true", help="replace what is kept under that name")
    sub.add_argument("--top", type=int, default=10, metavar="N", help="print this many samples (default 10)")
    sub.add_argument("--split", help='which split to audit (default "train")')
    sub.add_argument("--epochs", type=_epoch_range, metavar="FROM:TO", help="read only these epochs, TO not included")
    sub.add_argument("--expected-error-rate", type=float, metavar="SHARE", help="share of wrong labels, if you know it")
    sub.add_argument("--threshold", type=float, metavar="Q", help="flag every label_quality below Q")
    sub.add_argument("--dask", metavar="ADDRESS", help="read on this Dask cluster, such as tcp://host:8786")
    sub.add_argument(
        "--partitions", metavar="DIR", help="with --dask: let the workers write the whole table there, as Parquet files"
    )
    sub.add_argument("--skip-nan", action="store_true", help="leave out predictions that are NaN")
    sub.add_argument("--json", action="store_true", help="print the summary as one JSON object")
    sub.set_defaults(run=_audit)


def _add_info(commands: Any) -> None:
    sub = commands.add_parser("info", help="say what is in a history, and check every file")
    sub.add_argument("history", metavar="RUN", help="a history's folder or URL, or what another tool wrote")
    sub.add_argument("--json", action="store_true", help="print one JSON object")
    sub.set_defaults(run=_info)


def _add_compact(commands: Any) -> None:
    sub = commands.add_parser("compact", help="join the epoch files of many writers into one per epoch")
    sub.add_argument("history", metavar="RUN", help="a history's folder or URL")
    sub.add_argument("--unfinished", action="store_true", help="the training was stopped, and nothing writes there now")
    sub.add_argument("--json", action="store_true", help="print one JSON object")
    sub.set_defaults(run=_compact)


def _add_demo(commands: Any) -> None:
    sub = commands.add_parser("demo", help="train on digits with planted mistakes, audit, and say how many were found")
    sub.add_argument("--kind", choices=("symmetric", "pair", "confusion"), default="symmetric", help="of mistakes")
    sub.add_argument("--fraction", type=float, default=0.1, help="share of labels to make wrong (default 0.1)")
    sub.add_argument("--epochs", type=int, default=30, help="epochs to train (default 30)")
    sub.add_argument("--seed", type=int, default=0, help="of the mistakes and the training (default 0)")
    sub.add_argument("--out", default="labelaudit-demo", metavar="DIR", help="folder for all that it writes")
    sub.add_argument("--json", action="store_true", help="print one JSON object")
    sub.set_defaults(run=_demo)


def _epoch_range(text: str) -> tuple[str, range]:
    first, colon, last = text.partition(":")
    try:
        return text, range(int(first or 0), int(last) if colon and last else (2**31 if colon else int(first) + 1))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no range of epochs; expected FROM:TO such as 0:20") from None


def _audit(arguments: argparse.Namespace) -> int:
    from labelaudit.auditing import audit
    from labelaudit.auditing.result import folder_to_save_in
    from labelaudit.auditing.source import history_to_audit

    if arguments.images and not arguments.html:
        raise LabelAuditError("--images is for the report; add --html report.html")
    check_place("--out", arguments.out, "folder")
    check_place("--csv", arguments.csv, "file")
    check_place("--html", arguments.html, "file")
    if arguments.out:
        folder_to_save_in(arguments.out)
    history = history_to_audit(arguments.history)
    epochs = None if arguments.epochs is None else _epochs_in(history, arguments.epochs, arguments.split)
    with contextlib.nullcontext() if arguments.dask is None else _dask_client(arguments.dask) as client:
        found = audit(
            history,
            expected_error_rate=arguments.expected_error_rate,
            threshold=arguments.threshold,
            split=arguments.split,
            epochs=epochs,
            skip_nan=arguments.skip_nan,
            progress=sys.stderr.isatty() and not arguments.json,
            client=client,
            partitions=arguments.partitions,
            key=arguments.key,
            overwrite=arguments.overwrite,
            embeddings=history.embeddings(arguments.split) if arguments.embeddings else None,
        )
    if arguments.out:
        found.save(arguments.out)
    if arguments.csv:
        found.to_csv(arguments.csv, issues_only=True)
    report = None if not arguments.html else found.to_html(arguments.html, images=images_named(arguments.images))
    if arguments.json:
        measured = None if found.measured is None else found.measured.to_dict()
        places = {"out": arguments.out, "csv": arguments.csv, "html": arguments.html, "key": arguments.key}
        tell(as_json({**found.summary, "measured": measured, **places}))
        return 0
    tell(found.summary)
    if found.measured is not None and found.measured.n_planted:
        tell(f"\n{found.measured}")
    if arguments.top > 0 and len(found.issues):
        tell(f"\nThe most suspicious {min(arguments.top, len(found.issues))}:")
        for sample, row in found.issues.head(arguments.top).iterrows():
            tell(one_line(f"  {sample}: quality {row['label_quality']:.3f}. {row['reason']}"))
    for what, place in (("Audit", arguments.out), ("Flagged samples (CSV)", arguments.csv)):
        if place:
            tell(f"{what}: {place}")
    if report is not None:
        tell(f"Report: {arguments.html} ({report.size / 1e6:.1f} MB, {report.n_cards:,} samples to look at)")
    return 0


def _epochs_in(history: History, asked: tuple[str, range], split: str | None) -> list[int]:
    """Return the recorded epochs of any run in a range."""
    from labelaudit.analyzers.accumulator import epochs_of_runs

    text, wanted = asked
    known = sorted({epoch for of_run in epochs_of_runs(history, split) for epoch in of_run})
    found = [epoch for epoch in known if epoch in wanted]
    if known and not found:
        raise LabelAuditError(f"--epochs {text} names none of epochs {known[0]} to {known[-1]}")
    return found


def _dask_client(address: str) -> Any:
    try:
        import distributed
    except ImportError:
        raise LabelAuditError("--dask needs dask.distributed. Type: pip install labelaudit[dask]") from None
    connect: Any = distributed.Client  # untyped
    try:
        return connect(address, timeout=10)
    except (OSError, ValueError) as problem:
        raise LabelAuditError(f"no Dask scheduler answers at {address!r}: {problem}") from None


def _info(arguments: argparse.Namespace) -> int:
    from labelaudit.auditing.source import refuse_other_folders
    from labelaudit.history.check import check_history

    refuse_other_folders(arguments.history)
    facts = check_history(arguments.history)
    tell(as_json(facts.to_dict()) if arguments.json else facts)
    return 2 if facts.problems else 0


def _compact(arguments: argparse.Namespace) -> int:
    from labelaudit.auditing.source import refuse_other_folders
    from labelaudit.history.compact import compact

    refuse_other_folders(arguments.history)
    done = compact(arguments.history, unfinished=arguments.unfinished)
    tell(as_json(done.to_dict()) if arguments.json else done)
    return 0


def _demo(arguments: argparse.Namespace) -> int:
    from labelaudit.demo import run_demo

    found = run_demo(
        arguments.out, arguments.kind, arguments.fraction, arguments.epochs, arguments.seed, quiet=arguments.json
    )
    tell(as_json(found.to_dict()) if arguments.json else found)
    return 0
