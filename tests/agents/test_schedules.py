from __future__ import annotations

import pytest

from sched_rl.agents.schedules import ent_coef_at, lr_factor
from sched_rl.config.schema import (
    ConstantScheduleConfig,
    CosineScheduleConfig,
    ExponentialScheduleConfig,
    LinearScheduleConfig,
)


def factors(schedule, num_updates=10):
    return [lr_factor(schedule, update, num_updates) for update in range(num_updates + 1)]


def test_constant():
    assert set(factors(ConstantScheduleConfig(kind="constant"))) == {1.0}


def test_linear_falls_on_a_line_to_its_end():
    assert factors(LinearScheduleConfig(kind="linear", end_frac=0.0)) == pytest.approx(
        [1 - i / 10 for i in range(11)]
    )
    assert factors(LinearScheduleConfig(kind="linear", end_frac=0.3))[-1] == pytest.approx(0.3)


def test_exponential_is_a_power_of_its_end():
    assert factors(ExponentialScheduleConfig(kind="exponential", end_frac=0.2)) == pytest.approx(
        [0.2 ** (i / 10) for i in range(11)]
    )


def test_cosine_warms_up_then_falls():
    values = factors(CosineScheduleConfig(kind="cosine", end_frac=0.1, warmup_frac=0.3))
    assert values[:3] == pytest.approx([1 / 3, 2 / 3, 1.0])
    assert values[3] == pytest.approx(1.0)
    assert values[-1] == pytest.approx(0.1)
    assert values[3:] == sorted(values[3:], reverse=True)


def test_cosine_without_warmup_starts_at_the_full_rate():
    assert factors(CosineScheduleConfig(kind="cosine", end_frac=0.0, warmup_frac=0.0))[0] == 1.0


def test_a_run_that_goes_on_stays_at_the_end():
    for schedule in (
        LinearScheduleConfig(kind="linear", end_frac=0.2),
        ExponentialScheduleConfig(kind="exponential", end_frac=0.2),
        CosineScheduleConfig(kind="cosine", end_frac=0.2, warmup_frac=0.1),
    ):
        assert lr_factor(schedule, 25, 10) == pytest.approx(0.2)


def test_entropy_coefficient_decays_to_a_fraction_of_itself(make_config):
    config = make_config(ent_coef=0.02, ent_coef_end_frac=0.25)
    assert [ent_coef_at(config, u, 4) for u in range(5)] == pytest.approx(
        [0.02, 0.01625, 0.0125, 0.00875, 0.005]
    )
