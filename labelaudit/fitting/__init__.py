"""From a folder of images to corrected labels: repeated training with a part held out each time, and one audit of all.

No torch here: what trains is `labelaudit.callbacks.training`, named by a string.
"""

from labelaudit.fitting.config import FitConfig
from labelaudit.fitting.fitting import Fitted, fit

__all__ = ["FitConfig", "Fitted", "fit"]
