"""What `labelaudit fit` trains with: networks, images in batches, and one training run from start or from a checkpoint.

`labelaudit.fitting` names `one_repeat` by a string, as the core imports nothing that needs torch.
"""
