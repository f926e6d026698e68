"""Networks on disk: the document and the arrays of a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ranvier.bundle import read_bundle, write_bundle
from ranvier.errors import RanvierError, fail, unknown
from ranvier.network._connectivity import Connectivity, Conv, Dense, OneToOne, Pool, Sparse
from ranvier.network._distribution import Distribution
from ranvier.network._network import Network, Population, Probe, Projection
from ranvier.network._rule import Rule
from ranvier.neurons import NeuronModel

__all__ = ["decode", "encode", "load", "save"]

Arrays = dict[str, NDArray[Any]]
REFERENCE = "$array"
CONNECTIVITY: Mapping[str, type[Connectivity]] = {
    c.kind: c for c in (Dense, Sparse, OneToOne, Conv, Pool, Rule)
}


def pack_arrays(value: Any, path: str, arrays: Arrays) -> Any:
    """Replace every array in plain data by a reference, collecting it under its path."""
    if isinstance(value, np.ndarray):
        array = cast("NDArray[Any]", value)
        if array.ndim == 0:
            return array.item()
        place, number = path, 1
        while place in arrays:  # only where a key holds a slash
            place, number = f"{path}~{number}", number + 1
        arrays[place] = array
        return {REFERENCE: place}
    if isinstance(value, np.generic):
        return cast("np.generic", value).item()
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {k: pack_arrays(v, f"{path}/{k}" if path else k, arrays) for k, v in items}
    if isinstance(value, (tuple, list)):
        sequence = cast("list[Any]", value)
        return [pack_arrays(v, f"{path}/{i}", arrays) for i, v in enumerate(sequence)]
    return value


def unpack_arrays(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Put the arrays back where their references stand."""
    if isinstance(value, dict):
        mapping = cast("dict[str, Any]", value)
        if set(mapping) == {REFERENCE}:
            return cast("Any", arrays[mapping[REFERENCE]])
        return {k: unpack_arrays(v, arrays) for k, v in mapping.items()}
    if isinstance(value, list):
        return [unpack_arrays(v, arrays) for v in cast("list[Any]", value)]
    return value


def _encode_models(network: Network) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """Each distinct statement once; populations refer to it by number."""
    models: list[NeuronModel] = []
    where: dict[str, int] = {}
    for population in network.populations:
        if population.model is not None:
            if population.model not in models:
                models.append(population.model)
            where[population.name] = models.index(population.model)
    return [model.to_dict() for model in models], where


def encode(network: Network) -> tuple[dict[str, Any], Arrays]:
    """(document, arrays) of a network: plain data, nothing lost."""
    models, where = _encode_models(network)
    arrays: Arrays = {}
    document = {
        "name": network.name,
        "models": models,
        "populations": {
            p.name: {
                "shape": list(p.shape),
                "model": where.get(p.name),
                "parameters": dict(p.parameters),
                "initial": dict(p.initial),
                "signal": p.signal,
                "dt": p.dt,
                "method": p.method,
            }
            for p in network.populations
        },
        "order": [p.name for p in network.populations],
        "projections": [
            {
                "name": p.name,
                "source": p.source,
                "target": p.target,
                "port": p.port,
                "delay": p.delay.to_dict() if isinstance(p.delay, Distribution) else p.delay,
                "connectivity": p.connectivity.to_dict(),
                **({"short_term": p.short_term.to_dict()} if p.short_term else {}),
                **({"gap": p.gap} if p.gap else {}),
                **({"plasticity": p.plasticity.to_dict()} if p.plasticity else {}),
            }
            for p in network.projections
        ],
        "outputs": list(network.outputs),
        "probes": [
            {"population": p.population, "variable": p.variable, "every": p.every}
            for p in network.probes
        ],
        "metadata": dict(network.metadata),
    }
    return pack_arrays(document, "", arrays), arrays


def _as_tuple(value: Any) -> Any:
    return tuple(cast("list[Any]", value)) if isinstance(value, list) else value


def _decode_connectivity(data: dict[str, Any]) -> Connectivity:
    kind = data.pop("kind")
    if kind not in CONNECTIVITY:
        raise unknown("connectivity", kind, CONNECTIVITY)
    values: dict[str, Any] = {k: _as_tuple(v) for k, v in data.items()}
    return CONNECTIVITY[kind](**values)


def decode(document: Any, arrays: Mapping[str, NDArray[Any]]) -> Network:
    """The network of a document; raises RanvierError when it does not describe one."""
    data: dict[str, Any] = unpack_arrays(document, arrays)
    models: list[NeuronModel] = [NeuronModel.from_dict(m) for m in data["models"]]
    populations: list[Population] = []
    for name in data["order"]:
        p: dict[str, Any] = data["populations"][name]
        number: int | None = p["model"]
        model = None if number is None else models[number]
        populations.append(
            Population(
                name=name,
                shape=tuple(p["shape"]),
                model=model,
                parameters=p["parameters"],
                initial=p["initial"],
                signal=p["signal"],
                dt=p["dt"],
                method=p["method"],
            )
        )
    projections = tuple(
        Projection(
            name=p["name"],
            source=p["source"],
            target=p["target"],
            port=p["port"],
            delay=p["delay"],
            connectivity=_decode_connectivity(dict(p["connectivity"])),
            short_term=p.get("short_term"),
            gap=p.get("gap", ""),
            plasticity=p.get("plasticity"),
        )
        for p in data["projections"]
    )
    return Network(
        name=data["name"],
        populations=tuple(populations),
        projections=projections,
        outputs=tuple(data["outputs"]),
        probes=tuple(Probe(**p) for p in data["probes"]),
        metadata=data["metadata"],
    )


def save(network: Network, path: str | Path) -> Path:
    """Write a network bundle atomically; returns the path. Raises RanvierError on a full disk."""
    return write_bundle(path, "network", *encode(network))


def load(path: str | Path) -> Network:
    """Read a network bundle; raises RanvierError when it is missing, damaged or not a network."""
    document, arrays = read_bundle(path, "network")
    try:
        return decode(document, arrays)
    except RanvierError:
        raise
    except Exception as error:  # a stranger's file: whatever is wrong, one clear error
        raise fail(
            "damaged-bundle",
            str(path),
            "is a bundle, but does not describe a network",
            got=f"{type(error).__name__}: {error}"[:200],
            hint="it was written by another program or edited by hand; export it again",
        ) from error
