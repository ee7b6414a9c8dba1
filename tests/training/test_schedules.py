"""What changes while IODINE is trained, against the closed form."""

import pytest

from iodine.config import override
from iodine.models import registry

BASE = registry.preset("tetrominoes")


def test_annealing_is_geometric_and_then_stays():
    changes = {
        "likelihood_scale": 0.1,
        "objective.likelihood_scale_start": 0.4,
        "objective.kl_weight": 1.0,
        "objective.kl_weight_start": 0.01,
        "objective.anneal_steps": 100,
    }
    config = override(BASE, {f"model.{name}": value for name, value in changes.items()})
    schedules = registry.schedules(config)
    assert set(schedules) == {"likelihood_scale", "kl_weight"}
    for step in (0, 1, 9, 10, 50, 99, 100, 250):
        part = min(1, step / 100)
        scale, weight = (float(schedules[n](step)) for n in ("likelihood_scale", "kl_weight"))
        assert scale == pytest.approx(0.4 ** (1 - part) * 0.1**part, rel=1e-5)
        assert weight == pytest.approx(0.01 ** (1 - part), rel=1e-5)


@pytest.mark.parametrize("fields", [{}, {"model.objective.anneal_steps": 10}])
def test_constant_without_a_start(fields):
    schedules = registry.schedules(override(BASE, {"model.objective.kl_weight": 0.3, **fields}))
    for step in (0, 5, 20):
        assert float(schedules["likelihood_scale"](step)) == pytest.approx(0.1)
        assert float(schedules["kl_weight"](step)) == pytest.approx(0.3)
