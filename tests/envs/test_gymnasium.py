"""`env=gymnasium`: what the learner gets of somebody else's environment, its runs, and what is refused."""

from __future__ import annotations

import csv
import re

import gymnasium
import numpy as np
import pytest
from gymnasium import spaces

from sched_rl.config.load import load_config
from sched_rl.config.schema import GymnasiumEnvConfig
from sched_rl.envs.gymnasium_env import GymnasiumEpisode
from sched_rl.envs.gymnasium_vector import GymnasiumVectorEnv
from sched_rl.errors import CheckpointError, ConfigError
from sched_rl.evaluation.gymnasium_blocks import play_gymnasium
from sched_rl.evaluation.loading import load_scheduler
from sched_rl.train import main

PLAIN = ["env=gymnasium", "agent/network=mlp", "tracking=none", "progress=off", "debug=smoke"]


class Corridor(gymnasium.Env):
    """Walk right to the end; the mask forbids the wall. Its actions count from 5, its start is drawn."""

    action_space = spaces.Discrete(2, start=5)
    observation_space = spaces.Discrete(6)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = int(self.np_random.integers(3))
        return self.place, {"action_mask": self.mask()}

    def step(self, action):
        assert action in (5, 6)
        self.place += 1 if action == 6 else -1
        return self.place, float(self.place == 5), self.place == 5, False, {"action_mask": self.mask()}

    def mask(self):
        return np.array([self.place > 0, True], np.int8)


class Forgetful(Corridor):
    """Draws from another stream than its seed's."""

    draws = np.random.default_rng(0)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.place = int(self.draws.integers(3))
        return self.place, {"action_mask": self.mask()}


class Endless(Corridor):
    pass


class WithParts(Corridor):
    observation_space = spaces.Dict({"place": spaces.Discrete(6)})


@pytest.fixture(autouse=True, scope="module")
def _registered():
    limits = {"Corridor": 20, "Forgetful": 20, "Endless": None, "WithParts": 20}
    for name, limit in limits.items():
        gymnasium.register(f"tests/{name}-v0", entry_point=globals()[name], max_episode_steps=limit)
    yield
    for name in limits:
        del gymnasium.registry[f"tests/{name}-v0"]


def env_config(name, max_episode_steps=None):
    return GymnasiumEnvConfig(kind="gymnasium", name=name, id=name, max_episode_steps=max_episode_steps)


def metrics(folder):
    return list(csv.DictReader((folder / "metrics.csv").read_text().splitlines()))


def test_masks_offsets_and_encodings_reach_the_learner():
    episode = GymnasiumEpisode(env_config("tests/Corridor-v0"))
    episode.begin(3)
    assert (episode.layout.size, episode.layout.num_actions) == (6, 2)
    start = int(episode.observation.argmax())
    assert episode.observation.sum() == 1
    assert episode.action_mask.tolist() == [start > 0, True]
    for _ in range(5 - start):
        episode.step(1)
    assert (episode.terminated, episode.truncated, episode.total_return) == (True, False, 1.0)


def test_episodes_follow_each_other_and_final_observations_are_kept_apart():
    env = GymnasiumVectorEnv(env_config("CartPole-v1", 7), 3, seed=1)
    env.reset()
    twin = GymnasiumEpisode(env_config("CartPole-v1", 7))
    twin.begin(env.state()["seeds"][1])
    for _ in range(7):
        assert not (env.terminated | env.truncated).any()
        env.step(np.array([0, 1, 0]) if len(twin.actions) % 2 else np.array([1, 0, 1]))
        twin.step(1 if len(twin.actions) % 2 else 0)
    assert env.truncated.all()
    assert not env.terminated.any()
    np.testing.assert_array_equal(env.final_observation[1], twin.observation)
    assert [episode.steps for episode in env.finished] == [7, 7, 7]
    assert not np.array_equal(env.observation[1], twin.observation)
    assert (np.array(env.state()["seeds"]) >= 2**31).all()


def test_episodes_in_progress_are_continued_to_the_bit():
    def env():
        return GymnasiumVectorEnv(env_config("CartPole-v1"), 2, seed=5)

    def play(some, steps, draws):
        seen = []
        for _ in range(steps):
            some.step(draws.integers(2, size=2))
            seen.append((some.observation.copy(), some.reward.copy(), some.terminated.copy()))
        return seen

    through = env()
    through.reset()
    play(through, 50, np.random.default_rng(0))
    stopped = env()
    stopped.load_state(through.state())
    for one, other in zip(
        *(play(each, 60, np.random.default_rng(1)) for each in (through, stopped)), strict=True
    ):
        for mine, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_an_environment_that_does_not_follow_from_its_seed_is_not_resumed_silently():
    env = GymnasiumVectorEnv(env_config("tests/Forgetful-v0"), 8, seed=5)
    env.reset()
    with pytest.raises(CheckpointError, match="same seed and actions lead to another state"):
        env.load_state(env.state())


def test_a_score_depends_on_the_seed_alone(monkeypatch):
    class Left:
        def actions(self, observation, action_mask, active):
            return np.where(observation[:, 2] < 0, 0, 1)

    config, seeds = env_config("CartPole-v1"), list(range(10, 19))
    together = play_gymnasium(config, seeds, Left())
    monkeypatch.setattr("sched_rl.evaluation.gymnasium_blocks.MAX_SIDE_BY_SIDE", 2)
    apart = play_gymnasium(config, seeds, Left())
    returns = [[each["return"] for each in played] for played in (together, apart)]
    assert returns[0] == returns[1]
    assert len(set(returns[0])) > 1


def test_a_run_leaves_what_others_leave_and_resumes_to_the_bit(tmp_path, capsys):
    options = [*PLAIN, "env.id=tests/Corridor-v0", "agent.total_steps=1024", "eval.every_updates=1"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert main([*options, f"run.folder={whole}"]) == 0
    out = capsys.readouterr().out
    assert "tests/Corridor-v0" in out
    assert "no report.html" not in out
    rows = metrics(whole)
    assert [int(row["timesteps"]) for row in rows] == [0, 256, 512, 768, 1024]
    assert float(rows[-1]["eval_min_block_return"]) == 1.0
    assert (whole / "report.html").is_file()
    scheduler = load_scheduler(whole)
    assert scheduler.act(np.eye(6, dtype=np.float32)[2], np.array([True, True])) == 1

    main([*options, f"run.folder={cut}"])
    for file in (cut / "checkpoints").glob("update_00000004*"):
        file.unlink()
    assert main([f"resume={cut}"]) == 0
    assert (cut / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    assert (cut / "evaluations.csv").read_bytes() == (whole / "evaluations.csv").read_bytes()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["env.id=CartPol-v1"], r"env.id=CartPol-v1: .*did you mean CartPole-v1.*pprint_registry"),
        (["env.id=Pendulum-v1"], r"env.id=Pendulum-v1: its actions are Box.*must be Discrete"),
        (
            ["env.id=tests/WithParts-v0"],
            r"its observations are a Dict; must be Box, Discrete.*FlattenObservation",
        ),
        (["env.id=tests/Endless-v0"], r"give env.max_episode_steps=STEPS"),
    ],
)
def test_an_environment_that_cannot_be_used_is_refused_before_a_folder_is_made(
    overrides, message, tmp_path, capsys
):
    assert main([*PLAIN, *overrides, f"run.folder={tmp_path / 'run'}"]) == 2
    error = capsys.readouterr().err
    assert re.search(message, error), error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["agent/network=scorer"], "agent/network=scorer.*write agent/network=mlp"),
        (["agent=sjf"], "agent=sjf: schedules jobs"),
        (["agent/network=mlp", "baselines=[sjf]"], "baselines=.sjf.: schedule jobs"),
        (["agent/network=mlp", "agent.stagger_starts=true"], "agent.stagger_starts=true: speaks of jobs"),
        (["agent/network=mlp", "agent.voluntary_waits=false"], "agent.voluntary_waits=false: speaks of jobs"),
        (["agent/network=mlp", "eval=family_blocks"], "has no workload families; write eval=playbook"),
        (["agent/network=mlp", "env.num_gpus=4"], "env=gymnasium has no num_gpus"),
    ],
)
def test_what_speaks_of_jobs_is_refused(overrides, message):
    with pytest.raises(ConfigError, match=message):
        load_config("train", ["env=gymnasium", *overrides])


def test_what_speaks_of_jobs_is_off_by_itself():
    config = load_config("train", ["env=gymnasium", "agent/network=mlp", "agent.bootstrap_truncated=false"])
    agent = config.agent
    assert config.baselines == ()
    assert (agent.voluntary_waits, agent.stagger_starts, agent.shape_rewards) == (True, False, False)
    assert (agent.gamma, agent.network.observation, agent.bootstrap_truncated) == (0.99, "raw", False)
    assert load_config("train", ["experiment=cartpole"]).agent.gamma == 0.98


def test_a_cluster_shows_no_raw_observation():
    with pytest.raises(ConfigError, match=r"agent.network.observation=raw: belongs to env=gymnasium"):
        load_config("train", ["agent/network=mlp", "agent.network.observation=raw"])


@pytest.mark.slow
@pytest.mark.parametrize(("experiment", "solved"), [("cartpole", 475), ("acrobot", -100)])
def test_public_ground_is_solved(experiment, solved, tmp_path):
    folder = tmp_path / "run"
    assert main([f"experiment={experiment}", "tracking=none", "progress=off", f"run.folder={folder}"]) == 0
    rows = metrics(folder)
    assert max(float(row["eval_mean_return"] or "-inf") for row in rows) >= solved
