"""Lets ``python -m labelaudit`` stand for the command ``labelaudit``."""

import sys

from labelaudit.cli import main

if __name__ == "__main__":
    sys.exit(main())
