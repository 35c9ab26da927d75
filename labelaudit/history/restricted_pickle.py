"""A pickle read as data: containers and numbers come in, everything else is refused before it is made."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from labelaudit.errors import LabelAuditError

# The functions that NumPy's own pickles of numbers and arrays call, under the module names before and since NumPy 2.
_NUMPY = {
    "scalar": np.float64(0).__reduce__()[0],
    "_reconstruct": np.zeros(1).__reduce__()[0],
    "_frombuffer": np.zeros(1).__reduce_ex__(5)[0],
}
_NUMPY_MODULES = tuple(f"numpy{core}.{module}" for core in (".core", "._core") for module in ("multiarray", "numeric"))


class _Plain(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Return one of a few harmless functions; refuse all others without importing them."""
        if module in _NUMPY_MODULES and name in _NUMPY:
            return _NUMPY[name]
        allowed = {
            ("numpy", "dtype"): _plain_dtype,
            ("numpy", "ndarray"): np.ndarray,
            ("collections", "OrderedDict"): dict,
            ("collections", "defaultdict"): _without_factory,
            ("builtins", "list"): list,
            ("__builtin__", "list"): list,
            ("_codecs", "encode"): _bytes_of_text,  # how bytes are written for Python 2
        }
        if (module, name) not in allowed:
            raise LabelAuditError(f"it asks for {module}.{name}, which is no plain data; it was not loaded")
        return allowed[module, name]


def _without_factory(*_: Any) -> dict[Any, Any]:
    return {}


def _bytes_of_text(text: str, encoding: str) -> bytes:
    return text.encode("latin1")


def _plain_dtype(kind: str, *more: Any) -> Any:
    found = np.dtype(kind, *more)
    if found.hasobject or found.kind not in "biufU":
        raise LabelAuditError(f"it holds values of NumPy's type {found}, which is no plain data")
    return found


def load_plain(path: Path) -> Any:
    """Return what a pickle of dicts, lists, tuples, strings, numbers and arrays of numbers holds.

    Raises:
        LabelAuditError: it is damaged, or asks for anything else; nothing of it has been executed.
    """
    with path.open("rb") as file:
        try:
            return _Plain(file).load()
        except LabelAuditError as problem:
            raise LabelAuditError(f"{path} is refused: {problem}") from None
        except Exception as problem:  # noqa: BLE001  # a damaged pickle raises whatever it likes
            raise LabelAuditError(f"{path} is no readable pickle: {type(problem).__name__}: {problem}") from None
