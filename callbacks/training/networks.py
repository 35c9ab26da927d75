"""The network that a configuration names: built in, of torchvision, or the user's own LightningModule."""

from __future__ import annotations

import contextlib
import inspect
import sys
from importlib import import_module
from pathlib import Path
from types import MethodType
from typing import Any

import torch
from torch import nn

from labelaudit.callbacks.training.classifier import ImageClassifier
from labelaudit.callbacks.training.lightning_names import pl
from labelaudit.callbacks.training.small_cnn import LOSS_POWER, SmallCNN
from labelaudit.errors import LabelAuditError

SMALL_CNN = "small_cnn"
ALIASES = {"efficientnet": "efficientnet_v2_s", "cnn": SMALL_CNN}  # names that auto-correct-labels uses
PRETRAINED = "pretrained"
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # what torchvision's pretrained weights expect


def build(
    model_name: str,
    weights: str | None,
    *,
    shape: tuple[int, int, int],
    n_classes: int,
    learning_rate: float,
    mean: list[float],
    deviation: list[float],
) -> Any:
    """Return a LightningModule that is ready to be trained.

    Args:
        model_name: "small_cnn", the name of a torchvision classification model, or "package.module.Class".
        weights: file of a state dict, "pretrained" (torchvision's own), or None.
        shape: of the images, (H, W, C).
        n_classes: K.
        learning_rate: highest learning rate.
        mean: of the pixels of each channel, 0 to 1.
        deviation: their standard deviation.

    Raises:
        LabelAuditError: there is no such network, or the weights do not fit.
    """
    name = ALIASES.get(model_name, model_name)
    if "." in name:
        module = _own(name, shape, n_classes, learning_rate)
        if weights is not None:
            load_weights(module, weights)
        return module
    if name == SMALL_CNN:
        if weights == PRETRAINED:
            raise LabelAuditError(
                "there are no pretrained weights of small_cnn; name a file, or leave model_weights out"
            )
        net: nn.Module = SmallCNN(shape[2], n_classes, min(shape[:2]))
    else:
        net = _of_torchvision(name, weights, n_classes)
        if weights == PRETRAINED:
            mean, deviation = [list(numbers) for numbers in IMAGENET]
    if weights not in (None, PRETRAINED):
        load_weights(net, str(weights))
    power = LOSS_POWER if name == SMALL_CNN else 0.0
    return ImageClassifier(net, learning_rate, torch.tensor(mean), torch.tensor(deviation), power)


def _of_torchvision(name: str, weights: str | None, n_classes: int) -> nn.Module:
    try:
        models: Any = import_module("torchvision.models")
    except ModuleNotFoundError:
        raise LabelAuditError(
            f"model_name {name!r} is a torchvision model, but torchvision is not installed. Type: pip install "
            f"torchvision; or use the built-in {SMALL_CNN}"
        ) from None
    except (ImportError, OSError, RuntimeError) as problem:  # RuntimeError: its operators were built for another torch
        raise LabelAuditError(
            f"torchvision cannot be imported beside torch {torch.__version__} ({problem}): install the version that "
            f"belongs to it; or use the built-in {SMALL_CNN}"
        ) from None
    known = models.list_models(module=models)
    if name not in known:
        raise LabelAuditError(
            f"there is no model {name!r}: expected {SMALL_CNN}, one of torchvision's ({', '.join(known[:6])}, ...), or "
            "package.module.Class of your own LightningModule"
        )
    if weights != PRETRAINED:
        net: nn.Module = models.get_model(name, weights=None, num_classes=n_classes)
        return net
    try:
        net = models.get_model(name, weights="DEFAULT")
    except OSError as problem:
        raise LabelAuditError(
            f"the pretrained weights of {name} cannot be downloaded: {problem}. Name a file, or leave model_weights out"
        ) from None
    return _with_new_head(net, name, n_classes)


def _with_new_head(net: nn.Module, name: str, n_classes: int) -> nn.Module:
    """Replace the last linear layer by one of as many classes as there are."""
    linear = [(place, layer) for place, layer in net.named_modules() if isinstance(layer, nn.Linear)]
    if not linear:
        raise LabelAuditError(f"{name} ends in no linear layer that could be replaced; leave model_weights out")
    place, last = linear[-1]
    parent = net.get_submodule(place.rpartition(".")[0])
    setattr(parent, place.rpartition(".")[2], nn.Linear(last.in_features, n_classes))
    return net


def load_weights(net: nn.Module, file: str) -> None:
    """Load a state dict, read as data only; a last layer for other classes is left as it is.

    Raises:
        LabelAuditError: the file cannot be read, or hardly any of it fits.
    """
    if not Path(file).is_file():
        raise LabelAuditError(f"model_weights: there is no file {file}")
    try:
        loaded = torch.load(file, map_location="cpu", weights_only=True)
    except Exception:  # noqa: BLE001  # a damaged file raises whatever it likes; torch's text advises to unpickle it
        raise LabelAuditError(
            f"model_weights: {file} is no file of weights alone; save one with torch.save(net.state_dict(), file)"
        ) from None
    state = loaded.get("state_dict", loaded) if isinstance(loaded, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise LabelAuditError(f"model_weights: {file} holds no state dict; save one with torch.save(net.state_dict())")
    own = net.state_dict()
    fitting = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    missing = [name for name in own if name not in fitting]
    if len(fitting) < len(own) / 2:
        raise LabelAuditError(
            f"model_weights: of {len(own)} tensors of the network {file} holds {len(fitting)} of the same name and "
            f"shape (missing: {', '.join(missing[:3])}); it belongs to another network"
        )
    net.load_state_dict(fitting, strict=False)


def _own(dotted: str, shape: tuple[int, int, int], n_classes: int, learning_rate: float) -> Any:
    """Make the user's own LightningModule; arguments it has names for are passed."""
    place, _, name = dotted.rpartition(".")
    with _working_folder_on_path():
        try:
            made = getattr(import_module(place), name)
        except ModuleNotFoundError as problem:
            raise LabelAuditError(f"model_name {dotted!r}: there is no module {problem.name!r} to import") from None
        except AttributeError:
            raise LabelAuditError(f"model_name {dotted!r}: {place} has no {name!r}") from None
    offered = {
        **dict.fromkeys(("n_classes", "num_classes"), n_classes),
        **dict.fromkeys(("learning_rate", "lr"), learning_rate),
        **dict.fromkeys(("channels", "in_channels", "n_channels"), shape[2]),
        "image_size": min(shape[:2]),
    }
    parameters = inspect.signature(made).parameters
    unknown = [
        key
        for key, one in parameters.items()
        if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD) and key not in offered
    ]
    if unknown:
        raise LabelAuditError(
            f"model_name {dotted!r} needs {unknown[0]!r}, which is not known here; known: {', '.join(offered)}. Give "
            "it a default"
        )
    module = made(**{key: value for key, value in offered.items() if key in parameters})
    if not isinstance(module, pl.LightningModule):
        raise LabelAuditError(f"model_name {dotted!r} makes a {type(module).__name__}; expected a LightningModule")
    if type(module).validation_step is pl.LightningModule.validation_step:
        setattr(module, "validation_step", MethodType(_predict, module))  # noqa: B010  # what is held out is to be predicted all the same
    return module


def _predict(self: Any, batch: Any, batch_idx: int) -> dict[str, torch.Tensor]:
    images, labels = batch
    return {"logits": self(images), "targets": labels}


@contextlib.contextmanager
def _working_folder_on_path() -> Any:
    """Find modules in the working folder, as ``python -m`` does."""
    sys.path.insert(0, str(Path.cwd()))
    try:
        yield
    finally:
        sys.path.remove(str(Path.cwd()))
