"""Training: networks as torch modules generated from their own statement, and back.

Importing this package does not import torch; :func:`train` and :class:`Module` do, and say how to
install it where it is missing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ranvier.errors import RanvierError, fail
from ranvier.learn._options import EpochRecord, TrainOptions, TrainReport, TrainResult
from ranvier.learn._task import Evaluation, Task, evaluate
from ranvier.learn._tempotron import Tempotron

if TYPE_CHECKING:
    from ranvier.data import Dataset
    from ranvier.learn._ann_onnx import read_onnx
    from ranvier.learn._ann_torch import Qcfs, read_torch
    from ranvier.learn._convert import Conversion, Curve, convert
    from ranvier.learn._event_layer import EventLayer, first_spikes, latency_loss
    from ranvier.learn._from_torch import Chain, import_torch
    from ranvier.learn._hooks import ChipWeights, FewLevels, Hook, Noise, Pruning, relative_noise
    from ranvier.learn._losses import (
        activity_penalty,
        count_loss,
        first_spike_loss,
        potential_loss,
        rate_loss,
        van_rossum,
    )
    from ranvier.learn._module import Module, ModuleState
    from ranvier.learn._neurons import Neurons
    from ranvier.progress import Progress

__all__ = [
    "Chain",
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
    "Neurons",
    "Noise",
    "Pruning",
    "Qcfs",
    "Task",
    "Tempotron",
    "TrainOptions",
    "TrainReport",
    "TrainResult",
    "activity_penalty",
    "convert",
    "count_loss",
    "evaluate",
    "first_spike_loss",
    "first_spikes",
    "import_torch",
    "latency_loss",
    "potential_loss",
    "rate_loss",
    "read_onnx",
    "read_torch",
    "relative_noise",
    "train",
    "van_rossum",
]


def train(
    options: TrainOptions,
    *,
    data: Dataset | None = None,
    progress: Progress | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
) -> TrainResult:
    """Train a feed-forward LIF classifier on the training part of ``options.data``, or on ``data``.

    Returns the network (recipe in its metadata), the history and a report; test data are not
    touched. The same options and data give the same network on the same machine. ``checkpoint`` is
    a file that is written after every epoch; ``resume`` goes on from it, to the same network bit
    for bit.
    Raises RanvierError when torch is missing, the data do not fit, or the loss is no number.
    """
    _need_torch()
    from ranvier.learn._train import train as run

    path = None if checkpoint is None else Path(checkpoint)
    if resume and path is None:
        raise fail("conflict", "train", "resume needs a checkpoint", hint="name its file")
    if path is not None and not path.parent.is_dir():
        raise fail("no-such-directory", str(path), "the directory to write into does not exist",
                   hint=f"mkdir -p {path.parent}")  # fmt: skip
    return run(options, data=data, progress=progress, checkpoint=path, resume=resume)


def _need_torch() -> None:
    try:
        import torch  # noqa: F401
    except ImportError:
        raise _no_torch() from None


def _no_torch() -> RanvierError:
    return fail("no-torch", "learn", "training needs PyTorch, which is not installed",
                hint='pip install "ranvier[train]"')  # fmt: skip


_WITH_TORCH = {
    name: module
    for module, names in {
        "_ann_onnx": ("read_onnx",),
        "_ann_torch": ("Qcfs", "read_torch"),
        "_convert": ("Conversion", "Curve", "convert"),
        "_event_layer": ("EventLayer", "first_spikes", "latency_loss"),
        "_from_torch": ("Chain", "import_torch"),
        "_hooks": ("ChipWeights", "FewLevels", "Hook", "Noise", "Pruning", "relative_noise"),
        "_losses": ("activity_penalty", "count_loss", "first_spike_loss", "potential_loss",
                    "rate_loss", "van_rossum"),
        "_module": ("Module", "ModuleState"),
        "_neurons": ("Neurons",),
    }.items()
    for name in names
}  # fmt: skip


def __getattr__(name: str) -> Any:
    if name in _WITH_TORCH:
        _need_torch()
        from importlib import import_module

        return getattr(import_module(f"ranvier.learn.{_WITH_TORCH[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
