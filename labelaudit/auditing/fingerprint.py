"""What binds a decision to the labels that were audited."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labelaudit.auditing.result import Audit


def fingerprint(audit: Audit) -> str:
    """Return 16 hexadecimal digits of the audited sample ids and given labels, in dataset order.

    Two runs on the same samples and labels share it: what a person decided on them holds for both.
    """
    digest = hashlib.sha256()
    for values in (audit.samples.index, audit.samples["given_label"]):
        digest.update("\x1f".join(map(str, values.tolist())).encode("utf-8", "surrogateescape") + b"\x1e")
    return digest.hexdigest()[:16]
