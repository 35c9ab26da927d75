"""What is silenced for a while speaks again."""

from __future__ import annotations

import logging

from labelaudit.callbacks.quiet_lightning import quiet_lightning


def test_loggers_are_as_they_were_afterwards() -> None:
    logger = logging.getLogger("lightning.pytorch")
    before = logger.level
    logger.setLevel(logging.INFO)
    try:
        with quiet_lightning():
            assert logger.level == logging.ERROR
        assert logger.level == logging.INFO
    finally:
        logger.setLevel(before)
