"""The text of a kernel depends on its model, method and ports, and on nothing else."""

from __future__ import annotations

import pytest

from ranvier.chips import ideal
from ranvier.neurons import MODELS, NeuronModel, discretise, multisynapse


@pytest.mark.parametrize("model", [*dict(MODELS.items()).values(), multisynapse(2, "beta")])
def test_text_of_a_kernel_is_free_of_values(model: NeuronModel) -> None:
    """Other parameters and another dt give the same kernel (which ideal's reader relies on)."""
    values = {p.name: 1.3 * (p.default or 0.1) for p in model.parameters}
    one, two = discretise(model, {}, 1e-4), discretise(model, values, 2.3e-4)
    if ("refractory_left" in one.kernel.state) == ("refractory_left" in two.kernel.state):
        assert one.kernel.key == two.kernel.key

    again = ideal.Equations().kernel({
        "model": model.to_dict(), "method": two.method, "ports": list(two.kernel.ports),
        "refractory": "refractory_left" in two.kernel.state,
    })  # fmt: skip
    assert again.key == two.kernel.key
