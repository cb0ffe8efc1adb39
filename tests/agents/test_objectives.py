"""Robust objectives do what they are for on problems whose answer is known, and go on to the bit after a stop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from sched_rl.agents import build_ppo
from sched_rl.agents.objectives.plr import PrioritizedReplay
from sched_rl.config.load import load_config
from sched_rl.config.record import config_to_yaml
from sched_rl.config.schema import (
    CvarConfig,
    FamilyBaselineConfig,
    GroupDroConfig,
    MeanObjectiveConfig,
    PlrConfig,
)
from sched_rl.envs.layout import ObservationLayout
from sched_rl.envs.vector import VectorClusterEnv, fresh_seed
from sched_rl.errors import ConfigError
from sched_rl.seeding import generator_state, load_generator_state

LAYOUT = ObservationLayout("playbook", 2, 4, 2, 2)
MEAN = MeanObjectiveConfig(kind="mean")


@dataclass(frozen=True)
class Ended:
    env_index: int
    seed: int
    total_return: float
    steps: int = 1


class OneChoice:
    """Episodes of one step: the first job or the second, and what a workload pays for it."""

    def __init__(self, pay, num_envs=64):
        self.num_envs, self.layout, self._pay = num_envs, LAYOUT, pay
        self._draws = np.random.default_rng(0)
        self.observation = np.full((num_envs, LAYOUT.size), 0.5, np.float32)
        self.action_mask = np.tile([False, True, True], (num_envs, 1))
        self.reward, self.dt_s = np.zeros(num_envs), np.ones(num_envs)
        self.terminated, self.truncated = np.ones(num_envs, bool), np.zeros(num_envs, bool)
        self.invalid_action, self.noop_feasible = np.zeros(num_envs, bool), np.zeros(num_envs, bool)
        self.final_observation = self.observation.copy()
        self.episode_returns = np.zeros(num_envs)
        self.finished = []
        self.episode_seeds = self._draws.integers(1000, size=num_envs)

    def reset(self):
        pass

    def family_of(self, seed):
        return "odd" if seed % 2 else "even"

    def step(self, actions, observation=None, action_mask=None):
        if observation is not None:
            observation[:], action_mask[:] = self.observation, self.action_mask
            self.observation, self.action_mask = observation, action_mask
        self.reward[:] = [self._pay(int(s), int(a)) for s, a in zip(self.episode_seeds, actions, strict=True)]
        seeds = self.episode_seeds.tolist()
        self.finished = [Ended(n, seeds[n], float(self.reward[n])) for n in range(self.num_envs)]
        self.episode_seeds = self._draws.integers(1000, size=self.num_envs)


def learned(make_config, objective, pay, updates=80):
    """How often the learner takes the first job, over the second half of its updates."""
    config = make_config(
        objective=objective, network="mlp", num_envs=64, rollout_steps=8, lr=0.003, ent_coef=0.01
    )
    ppo, env, shares = build_ppo(config, LAYOUT, 0, "cpu", updates), OneChoice(pay), []
    for _ in range(updates):
        ppo.collect(env)
        ppo.update()
        shares.append(float((ppo.buffer.action == 1).mean()))
    return float(np.mean(shares[updates // 2 :]))


def test_group_dro_speaks_for_the_family_that_the_mean_gives_up(make_config):
    def pay(seed, action):  # the first job: 1 on odd workloads; the second: 0.6 on even ones
        return float(action == 1) if seed % 2 else 0.6 * (action == 2)

    dro = GroupDroConfig(kind="group_dro", step_size=0.3, memory=0.0, mix=1.0)
    assert learned(make_config, MEAN, pay) > 0.9
    assert 0.1 < learned(make_config, dro, pay) < 0.75, "p = 0.375 leaves both families with the same"


def test_cvar_takes_the_safe_job_where_the_mean_gambles(make_config):
    def pay(seed, action):  # the first job pays 1.2, but on one workload in ten it costs 5
        return (-5.0 if seed % 10 == 0 else 1.2) if action == 1 else 0.3

    cvar = CvarConfig(kind="cvar", alpha=0.1, window_episodes=512, mix=1.0)
    assert learned(make_config, MEAN, pay) > 0.8
    assert learned(make_config, cvar, pay) < 0.2


def test_a_baseline_a_family_takes_out_what_the_critic_is_off_by_there(make_config):
    config = make_config(
        num_envs=64, rollout_steps=8, network="mlp", objective=FamilyBaselineConfig(kind="family_baseline")
    )
    ppo, env = build_ppo(config, LAYOUT, 0), OneChoice(lambda seed, action: seed % 2 + 0.1 * (action == 1))
    ppo.collect(env)
    ppo.update()
    buffer, odd = ppo.buffer, ppo.objective.seeds % 2 == 1
    for family in (odd, ~odd):
        assert abs(buffer.advantage[family].mean()) < 1e-6
        first = buffer.action[family] == 1
        assert buffer.advantage[family][first].mean() > buffer.advantage[family][~first].mean()
    assert ppo.objective.metrics()["family_advantage_spread"] == pytest.approx(0.5, rel=0.2)


def test_replay_prefers_what_surprised_the_critic_and_forgets_the_rest():
    config = PlrConfig(
        kind="plr", score="critic_error", replay_prob=1.0, buffer_seeds=4, temperature=0.5, staleness_frac=0.0
    )
    replay = PrioritizedReplay(config, (1, 1), seed=1)
    stream = np.random.default_rng(0)
    assert replay.draw_seed(stream) >= 2**31, "an empty buffer has nothing to replay"
    for seed, score in ((1, 0.1), (2, 3.0), (3, 0.2), (4, 0.3), (5, 0.05), (6, 0.4)):
        replay._remember(seed, score)
    counts = {seed: 0 for seed in (2, 3, 4, 6)}
    for _ in range(2000):
        counts[replay.draw_seed(stream)] += 1  # 1 and 5 were given up
    weights = np.array([1.0, 1 / 4, 1 / 9, 1 / 16])  # ranks to the power of -1 / temperature
    np.testing.assert_allclose([counts[s] / 2000 for s in (2, 6, 4, 3)], weights / weights.sum(), atol=0.03)


def test_replay_of_failures_goes_by_the_return_below_the_familys_mean():
    config = PlrConfig(
        kind="plr", score="shortfall", replay_prob=1.0, buffer_seeds=8, temperature=1.0, staleness_frac=0.0
    )
    replay = PrioritizedReplay(config, (1, 1), seed=1)
    assert replay._shortfall("light", 1.4) == 0.0, "the first of a family has nothing to fall short of"
    assert replay._shortfall("playbook", 0.8) == 0.0
    assert replay._shortfall("playbook", -0.1) == pytest.approx(0.9)
    assert replay._shortfall("playbook", 0.8) == pytest.approx(-0.009), (
        "the failure lowered the mean by a share"
    )
    assert replay._shortfall("light", 1.3) == pytest.approx(0.1)


def test_stale_seeds_come_back():
    config = PlrConfig(
        kind="plr", score="critic_error", replay_prob=1.0, buffer_seeds=3, temperature=0.1, staleness_frac=1.0
    )
    replay = PrioritizedReplay(config, (1, 1), seed=1)
    for seed, score in ((1, 0.1), (2, 3.0), (3, 0.2), (2, 3.0), (2, 3.0)):
        replay._remember(seed, score)
    np.testing.assert_allclose(replay.probabilities(), np.array([4, 0, 2]) / 6)


def test_the_mean_is_what_learning_was_without_objectives(make_config, learner):
    """Weights of 1 change no bit, so neither does their absence."""
    from sched_rl.agents.objectives.base import Objective

    class Ones(Objective):
        columns = ()

        def note_step(self, t, env):
            pass

        def weigh(self, buffer, env, finished, critic_scale):
            return np.ones_like(buffer.advantage)

        def metrics(self):
            return {}

        def state(self):
            return {}

        def load_state(self, state):
            pass

    for kernel in ("dense", "fused"):
        results = []
        for objective in (None, Ones((8, 64))):
            config = make_config(num_envs=64, rollout_steps=8, kernel=kernel, network="mlp")
            ppo, env = build_ppo(config, LAYOUT, 0), OneChoice(lambda seed, action: seed * action / 1000)
            ppo.objective = objective
            ppo.collect(env)
            ppo.update()
            results.append(list(ppo.network.parameters()))
        assert all(bool((one == other).all()) for one, other in zip(*results, strict=True)), kernel


@pytest.mark.parametrize(
    "objective",
    [
        GroupDroConfig(kind="group_dro", step_size=0.5, memory=0.5, mix=0.9),
        CvarConfig(kind="cvar", alpha=0.25, window_episodes=64, mix=0.5),
        *(
            PlrConfig(
                kind="plr", score=score, replay_prob=0.5, buffer_seeds=4, temperature=0.3, staleness_frac=0.1
            )
            for score in ("critic_error", "shortfall")
        ),
        FamilyBaselineConfig(kind="family_baseline"),
    ],
    ids=lambda objective: objective.kind,
)
def test_a_resumed_training_on_clusters_goes_on_to_the_bit(make_config, objective):
    tiny = ["env=mixed", "env.jobs_per_episode=12", "agent.network.observation=playbook"]
    shared = load_config("train", ["agent/network=mlp", *tiny])

    def pair():
        config = make_config(objective=objective, network=shared.agent.network, voluntary_waits=False)
        env = VectorClusterEnv(shared.env, "playbook", 8, seed=3, families=shared.families)
        ppo = build_ppo(config, env.layout, 3, "cpu", 8)
        if isinstance(ppo.objective, PrioritizedReplay):
            env.draw_seed = ppo.objective.draw_seed
        return ppo, env

    def go_on(ppo, env):
        rows = []
        for _ in range(3):
            ppo.collect(env)
            rows.append(ppo.update())
        return rows

    ppo, env = pair()
    env.reset()
    go_on(ppo, env)
    resumed, other = pair()
    resumed.load_state(ppo.state())
    other.load_state(env.state())
    first, second = go_on(ppo, env), go_on(resumed, other)
    for mine, theirs in zip(first, second, strict=True):
        assert mine.keys() == theirs.keys()
        np.testing.assert_array_equal(list(mine.values()), list(theirs.values()))
    assert all(name in first[-1] and np.isfinite(first[-1][name]) for name in ppo.objective.columns)


def test_fresh_seeds_are_those_of_before():
    draws = np.random.default_rng(4)
    kept = generator_state(draws)
    first = fresh_seed(draws)
    load_generator_state(draws, kept)
    assert first == int(draws.integers(2**31, 2**32))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["agent/objective=group_dro"],
            "agent/objective=group_dro: weighs families, and env=playbook is one",
        ),
        (
            ["agent/objective=cvar", "agent.objective.alpha=0"],
            r"agent.objective.alpha=0.0: must be in \(0, 1\]",
        ),
        (
            ["agent/objective=plr", "env=gymnasium", "agent/network=mlp"],
            "agent/objective=plr: weighs workloads",
        ),
    ],
)
def test_contradictions_are_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        load_config("train", overrides)


def test_a_policy_is_judged_anywhere_whatever_it_was_trained_for(tmp_path):
    trained = load_config("train", ["env=mixed", "agent/objective=group_dro"])
    (tmp_path / "config.yaml").write_text(config_to_yaml(trained))
    judged = load_config("evaluate", [f"checkpoint={tmp_path}", "env=heavy"])
    assert (judged.env.name, judged.agent.objective.kind) == ("heavy", "group_dro")
