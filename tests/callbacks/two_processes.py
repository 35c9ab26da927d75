"""Scripts that train in two processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

# Gloo's threads may hold tensors still when Python ends, and then abort the process (pytorch/pytorch#179291).
LEAVE = """
    import torch.distributed

    torch.distributed.destroy_process_group()
"""


def run_script(script: Path, text: str) -> None:
    """Write and run a script that ends in its `if __name__ == "__main__":`; what it said, where it fails."""
    script.write_text(text.rstrip() + LEAVE)
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=120)
    assert ended.returncode == 0, ended.stdout + ended.stderr
