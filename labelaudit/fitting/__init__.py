"""From a folder of images to corrected labels: repeated training with a part held out each time, and one audit of all.

No torch here: what trains is `labelaudit.callbacks.training`, named by a string. `fit` is in `fitting.py`; nothing is
imported here, so that the command line knows the keys without loading pandas.
"""
