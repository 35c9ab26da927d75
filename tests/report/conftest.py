"""Small audits for the report's tests, and a browser for those that need one."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest

import labelaudit
from tests.report.sample_audits import HOSTILE, NAMES, K, N, history_of_names


@pytest.fixture(scope="session")
def audit() -> labelaudit.Audit:
    return labelaudit.audit(history_of_names(NAMES, [f"img/{i}.png" for i in range(N)]))


@pytest.fixture(scope="session")
def plain_audit() -> labelaudit.Audit:
    """Without class names and ids."""
    return labelaudit.audit(history_of_names(None))


@pytest.fixture(scope="session")
def hostile_audit() -> labelaudit.Audit:
    """Class names and ids that try to be markup."""
    return labelaudit.audit(history_of_names(HOSTILE, [f"{HOSTILE[i % K]}{i}" for i in range(N)]))


@pytest.fixture(scope="module")  # closed before other tests start playwright again: one at a time in a process
def browser() -> Iterator[Any]:
    """Debian's chromium, driven by playwright, with everything off that would use the network by itself."""
    from playwright.sync_api import sync_playwright

    place = shutil.which("chromium")
    if place is None:
        pytest.fail("these tests need Debian's chromium: apt-get install chromium")
    quiet = ["quic", "background-networking", "component-update", "sync", "gpu"]
    flags = ["--no-sandbox", "--no-first-run", *(f"--disable-{name}" for name in quiet)]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=place, args=flags)
        yield opened
        opened.close()
