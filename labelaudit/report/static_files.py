"""The scripts and styles of the pages, and how data gets into a page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from typing import Any

_IMPORT = re.compile(r"^import \{[^}]*\} from \"\./[\w.]+\";\n", re.MULTILINE)
_EXPORT = re.compile(r"^export ", re.MULTILINE)


@cache
def static_text(name: str) -> str:
    """Return one file of labelaudit/report/static, such as "card.js"."""
    return files("labelaudit.report").joinpath("static", name).read_text(encoding="utf-8")


def bundled(*names: str) -> str:
    """Return several of our ES modules as one script: a file opened from a disk cannot import another.

    The modules are given with what they import first; their top-level names differ.
    """
    scripts = [_EXPORT.sub("", _IMPORT.sub("", static_text(name))) for name in names]
    return "".join(f"// {name}\n{script}" for name, script in zip(names, scripts, strict=True))


def styles(*names: str) -> str:
    """Return several style sheets as one."""
    return "".join(static_text(name) for name in names)


def json_for_script(data: Any) -> str:
    r"""Return data as JSON that can stand inside a script element whatever strings it holds.

    >>> json_for_script({"name": "</script><b>"})
    '{"name":"\\u003c/script\\u003e\\u003cb\\u003e"}'
    """
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def source_hash(text: str) -> str:
    """Return the Content-Security-Policy source of an inline script or style.

    >>> source_hash("")
    "'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
    """
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
