"""Training: networks as torch modules generated from their own statement, and back.

Importing this package does not import torch; :func:`train` and :class:`Module` do, and say how to
install it where it is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ranvier.errors import RanvierError, fail
from ranvier.learn._options import EpochRecord, TrainOptions, TrainReport, TrainResult
from ranvier.learn._task import Evaluation, Task, evaluate

if TYPE_CHECKING:
    from ranvier.data import Dataset
    from ranvier.learn._ann_onnx import read_onnx
    from ranvier.learn._ann_torch import Qcfs, read_torch
    from ranvier.learn._convert import Conversion, Curve, convert
    from ranvier.learn._event_layer import EventLayer, first_spikes, latency_loss
    from ranvier.learn._hooks import ChipWeights, FewLevels, Hook, Noise, Pruning, relative_noise
    from ranvier.learn._module import Module, ModuleState
    from ranvier.progress import Progress

__all__ = [
    "ChipWeights",
    "Conversion",
    "Curve",
    "EpochRecord",
    "Evaluation",
    "EventLayer",
    "FewLevels",
    "Hook",
    "Module",
    "ModuleState",
    "Noise",
    "Pruning",
    "Qcfs",
    "Task",
    "TrainOptions",
    "TrainReport",
    "TrainResult",
    "convert",
    "evaluate",
    "first_spikes",
    "latency_loss",
    "read_onnx",
    "read_torch",
    "relative_noise",
    "train",
]


def train(
    options: TrainOptions, *, data: Dataset | None = None, progress: Progress | None = None
) -> TrainResult:
    """Train a feed-forward LIF classifier on the training part of ``options.data``, or on ``data``.

    Returns the network (recipe in its metadata), the history and a report; test data are not
    touched. The same options and data give the same network on the same machine.
    Raises RanvierError when torch is missing, the data do not fit, or the loss is no number.
    """
    _need_torch()
    from ranvier.learn._train import train as run

    return run(options, data=data, progress=progress)


def _need_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError:
        raise _no_torch() from None


def _no_torch() -> RanvierError:
    return fail("no-torch", "learn", "training needs PyTorch, which is not installed",
                hint='pip install "ranvier[train]"')  # fmt: skip


_WITH_TORCH = {
    "ChipWeights": "_hooks", "FewLevels": "_hooks", "Hook": "_hooks", "Noise": "_hooks",
    "Pruning": "_hooks", "relative_noise": "_hooks",
    "EventLayer": "_event_layer", "first_spikes": "_event_layer", "latency_loss": "_event_layer",
    "Conversion": "_convert", "Curve": "_convert", "Module": "_module", "ModuleState": "_module",
    "Qcfs": "_ann_torch", "convert": "_convert", "read_onnx": "_ann_onnx",
    "read_torch": "_ann_torch",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _WITH_TORCH:
        _need_torch()
        from importlib import import_module

        return getattr(import_module(f"ranvier.learn.{_WITH_TORCH[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
