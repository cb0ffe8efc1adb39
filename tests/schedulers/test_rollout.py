"""The rollout against a search written plainly, against its own heuristic, and against futures it must not see."""

from __future__ import annotations

import copy
import dataclasses

import numpy as np
import pytest

from sched_rl.config.load import load_config
from sched_rl.envs.batch import ClusterBatch
from sched_rl.errors import ConfigError, SimulationError
from sched_rl.evaluation.blocks import Block
from sched_rl.evaluation.loading import load_scheduler
from sched_rl.evaluation.runner import run_blocks
from sched_rl.schedulers.ranking import RULES
from sched_rl.schedulers.registry import build_scheduler
from sched_rl.workloads.playbook import generate_workload
from tests.simulator.instances import playbook
from tests.simulator.naive import NaiveCluster

ORACLE = ("agent=rollout", "agent.future=oracle")
MODEL = ("agent=rollout", "agent.future=model", "agent.num_futures=4")
KNOWN = ("agent=rollout", "agent.future=known")
#: Forty jobs that arrive while the first of them run: there is a future to guess for most of an episode.
BUSY = playbook(jobs_per_episode=40, max_queue_size=8, arrival_span=6000.0, max_duration=4000.0)


def scheduler(*overrides):
    return build_scheduler(load_config("evaluate", [*overrides]).agent)


def returns(player, env, seeds):
    return [episode.numbers["return"] for episode in run_blocks(player, [Block("b", env, tuple(seeds))], {})]


def watched(player, env, workload):
    batch = ClusterBatch(env, "playbook", 1)
    batch.begin(0, env, workload)
    player.watch(batch)
    player.begin([env], [workload.seed])
    return batch


def actions(player, env, workload, until_s=np.inf):
    """The actions of an episode, each with the time at which it was taken."""
    batch, taken = watched(player, env, workload), []
    cluster = batch.state.clusters[0]
    while not cluster["finished"] and cluster["now_s"] < until_s:
        action = player.actions(batch.observation, batch.action_mask, np.ones(1, bool))
        taken.append((float(cluster["now_s"]), int(action[0])))
        batch.step(action)
    return taken


# --- the same search, plainly ---

WEIGHTS = load_config("evaluate", ["agent=linear_score"]).agent.weights


def plain_base(naive, base):
    """What SJF or the linear score does on a plain cluster."""
    best, chosen = np.inf, 0
    for slot, job in enumerate(naive.window()):
        if not naive.fits(job):
            continue
        rank = naive.duration[job]
        if base == "linear_score":
            horizon_s, total = naive.workload.horizon_s, naive.capacity[0]
            duration, gpus, wait, idle = (
                float(np.float32(share))
                for share in (
                    naive.duration[job] / naive.env.max_duration,
                    naive.demand[job][0] / total,
                    min((naive.now - naive.submit[job]) / horizon_s, 1.0),
                    naive.idle[0] / total,
                )
            )
            features = (duration, gpus, duration * gpus, np.log(duration), wait, idle - gpus)
            rank = sum(weight * feature for weight, feature in zip(WEIGHTS, features, strict=True))
        if rank < best:
            best, chosen = rank, slot + 1
    return chosen


def plain_rollout(naive, base):
    """The best action by trying each on a copy, the heuristic's own where it is among the best."""
    worth = {}
    for action, legal in enumerate(naive.mask()):
        if legal:
            world = copy.deepcopy(naive)
            world.step(action)
            while not (world.terminated or world.truncated):
                world.step(plain_base(world, base))
            worth[action] = world.total_return - naive.total_return
    best = [action for action, value in worth.items() if value >= max(worth.values()) - 1e-9]
    own = plain_base(naive, base)
    return own if own in best else best[0]


@pytest.mark.parametrize("step", ["event", "decision"])
@pytest.mark.parametrize("base", ["sjf", "linear_score"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_oracle_equals_a_search_written_plainly(step, base, seed):
    env = playbook(
        num_gpus=4, jobs_per_episode=10, max_queue_size=4, arrival_span=9000.0, step=step, horizon_factor=1.1
    )
    workload = generate_workload(env, seed)
    naive, plain = NaiveCluster(env, workload, (4,)), []
    while not (naive.terminated or naive.truncated):
        plain.append((naive.now, plain_rollout(naive, base) if any(naive.mask()[1:]) else 0))
        naive.step(plain[-1][1])
    assert actions(scheduler(*ORACLE, f"agent.base={base}"), env, workload) == plain


# --- against its heuristic ---


@pytest.mark.parametrize("base", RULES)
def test_the_simulation_follows_the_heuristic_as_it_schedules_by_itself(base):
    workload = generate_workload(BUSY, 5)
    player = scheduler(*ORACLE, f"agent.base={base}")
    batch = watched(player, BUSY, workload)
    while not batch.action_mask[0, 1:].any():
        batch.step(np.zeros(1, np.int64))
    so_far = float(batch.state.clusters["total_return"][0])
    worth, own = player.action_returns(0)
    assert so_far + worth[own] == pytest.approx(returns(scheduler(f"agent={base}"), BUSY, [5])[0], abs=1e-12)
    assert np.isneginf(worth[~batch.action_mask[0]]).all()


@pytest.mark.parametrize("family", ["deadline", "playbook"])
@pytest.mark.parametrize("base", ["least_laxity", "laxity_score"])
def test_the_simulation_of_a_rule_by_due_times_is_what_it_does_by_itself(base, family):
    slack = {"deadline": dict(due_slack_min=0.5, due_slack_max=6.0), "playbook": {}}[family]
    env = dataclasses.replace(BUSY, **slack)
    rule, player = scheduler(f"agent={base}"), scheduler(*KNOWN, f"agent.base={base}")
    for seed in (5, 6):
        workload = generate_workload(env, seed)
        batch = ClusterBatch(env, "rich", 1)
        batch.begin(0, env, workload)
        player.watch(batch)
        player.begin([env], [seed])
        everyone, cluster = np.ones(1, bool), batch.state.clusters[0]
        while cluster["num_arriving"] > 0:
            own = rule.actions(batch.observation, batch.action_mask, everyone)
            assert player.actions(batch.observation, batch.action_mask, everyone) == own
            batch.step(own)
        so_far = float(cluster["total_return"])
        worth, own = player.action_returns(0)
        assert so_far + worth[own] == pytest.approx(returns(rule, env, [seed])[0], abs=1e-12)


@pytest.mark.parametrize("step", ["event", "decision"])
def test_known_is_the_heuristic_until_all_jobs_have_arrived_and_the_oracle_from_then_on(step):
    env = dataclasses.replace(BUSY, step=step)
    player, rule, oracle = scheduler(*KNOWN), scheduler("agent=linear_score"), scheduler(*ORACLE)
    workload, everyone, decided = generate_workload(env, 3), np.ones(1, bool), {True: 0, False: 0}
    batch = watched(player, env, workload)
    oracle.watch(batch)
    oracle.begin([env], [3])
    cluster = batch.state.clusters[0]
    while not cluster["finished"]:
        is_known = cluster["num_arriving"] == 0
        seen = (batch.observation, batch.action_mask, everyone)
        action = player.actions(*seen)
        assert action == (oracle if is_known else rule).actions(*seen)
        decided[bool(is_known)] += int(batch.action_mask[0, 1:].any())
        batch.step(action)
    assert min(decided.values()) > 5
    base, known = (returns(each, env, range(12)) for each in (rule, player))
    assert (np.array(known) >= np.array(base) - 1e-9).all()
    assert np.mean(known) > np.mean(base) + 0.001


@pytest.mark.parametrize("processors", [1, 2])
def test_the_oracle_is_the_same_on_one_processor_and_on_two(processors, monkeypatch):
    import sched_rl.schedulers.rollout as module

    monkeypatch.setattr(module, "num_processors", lambda: processors)
    player = scheduler(*ORACLE)
    assert (player._helper is None) == (processors == 1)
    assert returns(player, BUSY, [7, 8, 9]) == [returns(player, BUSY, [seed])[0] for seed in (7, 8, 9)]


@pytest.mark.parametrize("step", ["event", "decision"])
def test_no_episode_of_the_oracle_earns_less_than_the_heuristic(step):
    env, seeds = dataclasses.replace(BUSY, step=step), range(12)
    base, oracle = (
        returns(scheduler("agent=sjf"), env, seeds),
        returns(scheduler(*ORACLE, "agent.base=sjf"), env, seeds),
    )
    assert (np.array(oracle) >= np.array(base) - 1e-9).all()
    assert np.mean(oracle) > np.mean(base) + 0.01


def test_resampled_futures_still_improve_the_heuristic_on_average():
    base, model = (
        returns(scheduler("agent=sjf"), BUSY, range(12)),
        returns(scheduler(*MODEL, "agent.base=sjf"), BUSY, range(12)),
    )
    assert np.mean(model) > np.mean(base) + 0.01


# --- what it may not see, and what it may not depend on ---


def test_resampled_futures_never_look_at_the_real_one():
    workload = generate_workload(BUSY, 3)
    change_s = float(np.sort(workload.submit_s)[20])
    later = workload.submit_s > change_s
    other = generate_workload(BUSY, 4)
    changed = dataclasses.replace(
        workload,
        submit_s=np.where(later, np.maximum(other.submit_s, change_s + 500.0), workload.submit_s).astype(
            np.float32
        ),
        duration_s=np.where(later, other.duration_s, workload.duration_s),
        demand=np.where(later[:, None], other.demand, workload.demand),
        total_work=workload.total_work * 1.5,
        horizon_s=workload.horizon_s * 2.0,
    )
    same = [actions(scheduler(*MODEL), BUSY, each, until_s=change_s) for each in (workload, changed)]
    assert len(same[0]) > 15
    assert same[0] == same[1]
    # The oracle does look; otherwise the above would hold of anything.
    seen = [actions(scheduler(*ORACLE), BUSY, each, until_s=change_s) for each in (workload, changed)]
    assert seen[0] != seen[1]


def test_with_nothing_left_to_arrive_the_model_is_the_oracle():
    env = dataclasses.replace(BUSY, arrival_mode="all_at_zero")
    workload = generate_workload(env, 3)
    assert actions(scheduler(*MODEL), env, workload) == actions(scheduler(*ORACLE), env, workload)


@pytest.mark.parametrize("mode", [ORACLE, MODEL])
def test_an_episode_does_not_depend_on_those_beside_it(mode):
    together = returns(scheduler(*mode), BUSY, [7, 8, 9])
    player = scheduler(*mode)
    assert [returns(player, BUSY, [seed])[0] for seed in (9, 8, 7)] == together[::-1]


def test_a_short_look_ahead_ends_in_the_fluid_potential():
    workload = generate_workload(BUSY, 5)
    player = scheduler(*ORACLE, "agent.horizon_s=1e-6", "agent.base=sjf")
    batch = watched(player, BUSY, workload)
    while batch.state.clusters["num_feasible"][0] < 3:
        batch.step(np.zeros(1, np.int64))
    worth, _ = player.action_returns(0)
    for action in np.flatnonzero(batch.action_mask[0]).tolist():
        after, potential = ClusterBatch(BUSY, "playbook", 1), np.zeros(1)
        after.restore(batch.snapshot())
        after.step(np.array([action]))
        after.write_potential(potential)
        if after.state.clusters["dt_s"][0] > 0:  # else the simulation goes on to a later instant
            assert worth[action] == pytest.approx(
                float(after.state.clusters["reward"][0] + potential[0]), abs=1e-12
            )


# --- what is refused ---


def test_it_wants_the_clusters_themselves(tmp_path):
    with pytest.raises(SimulationError, match="call watch"):
        scheduler(*ORACLE).actions(np.zeros((1, 10), np.float32), np.ones((1, 3), bool), np.ones(1, bool))
    from sched_rl.config.record import CONFIG_FILE, config_to_yaml

    (tmp_path / CONFIG_FILE).write_text(config_to_yaml(load_config("train", ["agent=rollout"])))
    with pytest.raises(ConfigError, match="agent=rollout simulates the whole cluster"):
        load_scheduler(tmp_path)


def test_a_recorded_rollout_brings_its_heuristic_and_takes_another(tmp_path):
    from sched_rl.config.record import CONFIG_FILE, config_to_yaml

    recorded = load_config("train", ["agent=rollout", "agent.base=sjf"])
    (tmp_path / CONFIG_FILE).write_text(config_to_yaml(recorded))
    assert load_config("evaluate", [f"checkpoint={tmp_path}"]).agent == recorded.agent
    changed = load_config("evaluate", [f"checkpoint={tmp_path}", "agent.base=longest"]).agent
    assert (changed.base, changed.base_agent.priority) == ("longest", "longest")
