"""What every neuron model must pass."""

from __future__ import annotations

import numpy as np

from ranvier.neurons import Discrete, NeuronModel, discretise
from ranvier.neurons._random import draws_of

__all__ = ["NeuronTests"]


class NeuronTests:
    """Set ``model`` and ``parameters`` (SI); ``dt`` and ``drive`` (per port) if the model needs."""

    model: NeuronModel
    parameters: dict[str, float]
    dt: float = 1e-3
    drive: float = 1.0

    def test_statement_survives_the_file(self) -> None:
        """to_dict and from_dict give an equal statement."""
        assert NeuronModel.from_dict(self.model.to_dict()) == self.model

    def test_documented(self) -> None:
        """The model and every parameter say what they are; the model says who published it."""
        assert self.model.doc
        assert self.model.source
        assert all(p.doc for p in self.model.parameters)

    def test_stays_finite(self) -> None:
        """A thousand ticks of noise leave every state a number."""
        discrete = discretise(self.model, self.parameters, self.dt)
        step, kernel = discrete.kernel.python(), discrete.kernel
        rng = np.random.default_rng(0)
        state = [float(np.asarray(discrete.initial[s])) for s in kernel.state]
        values = [float(np.asarray(discrete.values[p])) for p in kernel.params]
        for tick in range(1000):
            ports = [float(x) for x in self.drive * rng.normal(size=len(kernel.ports))]
            result = step(*state, *ports, *values, *_drawn(discrete, tick))
            state, out = result[: len(state)], result[len(state)]
            assert np.isfinite(result).all()
            assert kernel.output != "spike" or out in (0, 1)

    def test_compiled_kernel_is_the_python_kernel(self) -> None:
        """numba and plain Python agree bit for bit."""
        import numba

        discrete = discretise(self.model, self.parameters, self.dt)
        kernel, plain = discrete.kernel, discrete.kernel.python()
        space: dict[str, object] = {"njit": numba.njit}
        text = kernel.module(decorator="@njit(fastmath=False, error_model='numpy')")
        exec(compile(text, "<kernel>", "exec"), space)
        fast = space["step"]
        rng = np.random.default_rng(1)
        state = [float(np.asarray(discrete.initial[s])) for s in kernel.state]
        values = [float(np.asarray(discrete.values[p])) for p in kernel.params]
        for tick in range(200):
            ports = [float(x) for x in self.drive * rng.normal(size=len(kernel.ports))]
            given = (*state, *ports, *values, *_drawn(discrete, tick))
            known = plain(*given)
            assert tuple(fast(*given)) == tuple(known)  # type: ignore[operator]
            state = known[: len(state)]


def _drawn(discrete: Discrete, tick: int) -> list[float]:
    """The random numbers of neuron 0, as an engine would hand them in."""
    drawn = draws_of(discrete.kernel, 7, "tested", neurons=[0], tick=tick, values=discrete.values)
    return [float(column[0]) for column in drawn]
