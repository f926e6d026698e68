"""A training run on disk: everything needed to go on as if nothing had happened.

One safetensors file: weights, moments of the optimiser, generators and masks as tensors, the rest
as JSON in its header. Written whole or not at all.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ranvier.errors import fail

__all__ = ["read_checkpoint", "restore_optimiser", "state_of", "write_checkpoint"]

FORMAT = "ranvier-training-1"


def write_checkpoint(
    path: Path, tensors: Mapping[str, Tensor], document: Mapping[str, Any]
) -> None:
    """Put both into ``path``, in one step."""
    kept = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    head = {"format": FORMAT, "document": json.dumps(document)}
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        save_file(kept, temporary, head)
        os.replace(temporary, path)
    except BaseException as error:
        Path(temporary).unlink(missing_ok=True)
        if isinstance(error, OSError | SafetensorError):
            raise fail("cannot-write", str(path), "the checkpoint cannot be written",
                       got=str(error)[:120], hint="free some space, or name another place",
                       ) from error  # fmt: skip
        raise


def read_checkpoint(path: Path, expected: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """What was written; RanvierError where it is no checkpoint, or one of another run."""
    try:
        with safe_open(str(path), "pt") as file:
            head = file.metadata() or {}
            if head.get("format") != FORMAT:
                raise fail("bad-checkpoint", str(path), "is not a checkpoint of a training run")
            document = json.loads(head["document"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        raise fail("no-such-file", str(path), "does not exist",
                   hint="leave out --resume to begin a run") from None  # fmt: skip
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise fail("bad-checkpoint", str(path), "cannot be read",
                   got=f"{type(error).__name__}: {error}"[:120]) from None  # fmt: skip
    if document.get("run") != expected:
        raise fail("other-run", str(path), "belongs to a run with other options or data",
                   hint=("give the options of that run", "name another checkpoint"))  # fmt: skip
    return tensors, document


def state_of(optimiser: torch.optim.Optimizer) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
    """Tensors by name, and the groups without their parameters."""
    state = optimiser.state_dict()
    tensors = {
        f"optimiser.{index}.{name}": value
        for index, values in state["state"].items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }
    return tensors, state["param_groups"]


def restore_optimiser(
    optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor], groups: list[dict[str, Any]]
) -> None:
    """The inverse of :func:`state_of`."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        if name.startswith("optimiser."):
            _, index, key = name.split(".", 2)
            state.setdefault(int(index), {})[key] = value.clone()
    for group in groups:  # JSON made lists of its pairs
        group["betas"] = tuple(group["betas"])
    optimiser.load_state_dict({"state": state, "param_groups": groups})
