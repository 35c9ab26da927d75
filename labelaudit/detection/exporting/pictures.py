"""Names of the audited pictures, for a folder or an address that they are in."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd


def names_for(found: Any, images: Any) -> pd.Index:
    """Return what each image goes by in ``images``, in the order of ``samples``.

    In a folder (or under an address) that is the picture's file, as far as the annotations name it; else the image id.
    """
    import pandas as pd

    samples: pd.DataFrame = found.samples
    in_a_folder = isinstance(images, str | os.PathLike)
    return pd.Index(samples["file_name"]) if in_a_folder and "file_name" in samples else samples.index
