"""The generator against the specification read literally, and what the oracle's three workloads do not decide."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sched_rl.errors import WorkloadError
from sched_rl.workloads.legacy_stream import LegacyStream
from sched_rl.workloads.playbook import generate_workload
from sched_rl.workloads.source import WorkloadSource
from tests.simulator.instances import playbook

SEEDS = st.integers(0, 2**32 - 1)


def by_the_letter(env, seed):
    """The page "Workload of one seed", sentence by sentence."""
    draws, n, longest = np.random.RandomState(seed), env.jobs_per_episode, env.max_duration
    if env.duration_mode == "heavy_tail":
        u = draws.rand(n)
        tiny = draws.uniform(0.01 * longest, 0.08 * longest, n)
        huge = np.exp(draws.uniform(np.log(0.08 * longest), np.log(1.0 * longest), n))
        duration = np.where(u < np.clip(env.heavy_tail_frac, 0, 0.9), huge, tiny)
    else:
        duration = draws.uniform(0.05 * longest, 0.2 * longest, n)
    duration = np.clip(duration, 1e-6, longest).astype(np.float32)
    d_norm = duration / longest
    assert d_norm.dtype == np.float32
    most = min(env.num_gpus, 8) if env.max_gpus_per_job is None else env.max_gpus_per_job
    m, c = int(np.clip(most, 1, env.num_gpus)), env.gpus_duration_corr
    corr = (1 + np.floor(d_norm**0.6 * (m - 1))).astype(int)
    gpus = np.clip(np.rint((1 - c) * draws.randint(1, m + 1, n) + c * corr), 1, m).astype(int)
    top, s = env.max_priority, env.priority_corr_strength
    priority = draws.randint(1, top + 1, n)
    if env.priority_duration_corr != "none":
        score = (1 - d_norm) ** 0.8 if env.priority_duration_corr == "inverse" else d_norm**0.8
        corr = (1 + np.floor(score * (top - 1))).astype(int)
        priority = np.clip(np.rint((1 - s) * priority + s * corr), 1, top).astype(int)
    if env.arrival_mode == "all_at_zero":
        return duration, gpus, priority, np.zeros(n, np.float32)
    span = longest if env.arrival_span is None else env.arrival_span
    centers = draws.uniform(0, span, env.num_bursts)
    std = max(1e-6, span * env.burst_std_frac)
    in_burst = draws.rand(n) < env.burst_prob
    burst = draws.randint(0, env.num_bursts, n)
    t_b = centers[burst] + draws.normal(0, std, n)
    t_u = draws.uniform(0, span, n)
    return duration, gpus, priority, np.clip(np.where(in_burst, t_b, t_u), 0, span).astype(np.float32)


@st.composite
def families(draw):
    gpus = draw(st.integers(1, 20))
    return playbook(
        num_gpus=gpus,
        jobs_per_episode=draw(st.integers(1, 80)),
        max_priority=draw(st.integers(1, 12)),
        max_duration=draw(st.sampled_from([1.0, 77.7, 1e4, 123456.7])),
        max_gpus_per_job=draw(st.one_of(st.none(), st.integers(1, 30))),
        gpus_duration_corr=draw(st.sampled_from([0.0, 0.3, 0.7, 1.0])),
        duration_mode=draw(st.sampled_from(["heavy_tail", "uniform"])),
        heavy_tail_frac=draw(st.sampled_from([0.0, 0.15, 0.9])),
        priority_duration_corr=draw(st.sampled_from(["none", "inverse", "positive"])),
        priority_corr_strength=draw(st.sampled_from([0.0, 0.6, 1.0])),
        arrival_mode=draw(st.sampled_from(["bursty", "all_at_zero"])),
        arrival_span=draw(st.sampled_from([None, 1e-3, 5e5])),
        num_bursts=draw(st.integers(1, 9)),
        burst_prob=draw(st.sampled_from([0.0, 0.8, 1.0])),
    )


@settings(max_examples=200)
@given(families(), SEEDS)
def test_every_family_is_generated_to_the_letter(env, seed):
    workload, (duration, gpus, priority, submit) = generate_workload(env, seed), by_the_letter(env, seed)
    np.testing.assert_array_equal(workload.duration_s, duration)
    np.testing.assert_array_equal(workload.demand, gpus[:, None])
    np.testing.assert_array_equal(workload.priority, priority)
    np.testing.assert_array_equal(workload.submit_s, submit)
    total = float((duration.astype(np.float64) * gpus).sum())
    assert workload.total_work == total
    assert workload.horizon_s == float(submit.max()) + env.horizon_factor * total / env.num_gpus
    types = {
        name: getattr(workload, name).dtype.name for name in ("duration_s", "demand", "priority", "submit_s")
    }
    assert types == {"duration_s": "float32", "demand": "int32", "priority": "int32", "submit_s": "float32"}


def test_priorities_without_correlation_are_the_raw_draws():
    env = playbook(priority_duration_corr="none", duration_mode="uniform", jobs_per_episode=1000)
    priority = generate_workload(env, 3).priority
    draws = np.random.RandomState(3)
    draws.uniform(0, 1, 1000)
    draws.randint(1, 9, 1000)
    np.testing.assert_array_equal(priority, draws.randint(1, 11, 1000))


@pytest.mark.parametrize(
    ("num_gpus", "most", "widest"), [(8, 3, 3), (8, 20, 8), (20, None, 8), (20, 12, 12), (4, None, 4)]
)
def test_no_job_is_wider_than_allowed_and_some_are_as_wide(num_gpus, most, widest):
    env = playbook(num_gpus=num_gpus, max_gpus_per_job=most, gpus_duration_corr=0.0)
    demand = np.concatenate([generate_workload(env, seed).demand for seed in range(5)])
    assert demand.max() == widest
    assert demand.min() == 1


def test_an_episode_time_of_its_own_replaces_the_horizon():
    assert generate_workload(playbook(max_episode_time=123.0), 1).horizon_s == 123.0


@given(SEEDS)
def test_due_times_lie_within_their_slack_and_draw_from_a_stream_of_their_own(seed):
    env = playbook(jobs_per_episode=50)
    plain = generate_workload(env, seed)
    due = generate_workload(playbook(jobs_per_episode=50, due_slack_min=0.5, due_slack_max=6.0), seed)
    assert np.isinf(plain.due_s).all()
    for name in ("duration_s", "demand", "priority", "submit_s"):
        np.testing.assert_array_equal(getattr(plain, name), getattr(due, name))
    slack = (due.due_s - due.submit_s) / due.duration_s - 1.0
    assert slack.min() >= 0.5 - 1e-4
    assert slack.max() <= 6.0 + 1e-4
    assert np.ptp(slack) > 1.0


@given(SEEDS)
def test_a_stream_that_is_handed_in_gives_the_same_jobs_and_has_moved_on(seed):
    env, draws = playbook(jobs_per_episode=20), LegacyStream(seed)
    jobs = generate_workload(env, seed, draws)
    np.testing.assert_array_equal(jobs.submit_s, generate_workload(env, seed).submit_s)
    assert draws.rand(4).tolist() != LegacyStream(seed).rand(4).tolist()


@pytest.mark.parametrize("seed", [-1, 2**32])
def test_a_seed_that_the_legacy_stream_cannot_take_is_refused(seed):
    with pytest.raises(WorkloadError, match=rf"workload seed {seed}: must be from 0 to 4294967295"):
        generate_workload(playbook(), seed)


# --- sources ---


def test_a_family_plays_itself_and_a_mixture_every_family_about_equally():
    alone = WorkloadSource(playbook(name="alone"), {})
    assert alone.family(7).name == "alone"
    families = {name: playbook(name=name, jobs_per_episode=5) for name in "abc"}
    mixture = WorkloadSource(playbook(families=("a", "b", "b", "c")), families)
    drawn = [mixture.family(seed).name for seed in range(2000)]
    assert drawn.count("b") == pytest.approx(1000, abs=100)
    assert drawn.count("a") == pytest.approx(500, abs=90)


def test_the_same_seed_gives_the_same_jobs_whoever_asks_and_in_whatever_order():
    families = {
        name: playbook(name=name, jobs_per_episode=9, heavy_tail_frac=tail)
        for name, tail in (("a", 0), ("b", 0.9))
    }
    sources = [WorkloadSource(playbook(families=("a", "b")), families) for _ in range(2)]
    forwards = [sources[0].workload(seed) for seed in range(20)]
    backwards = [sources[1].workload(seed) for seed in reversed(range(20))][::-1]
    for (family, ours), (other, theirs) in zip(forwards, backwards, strict=True):
        assert family is other
        assert ours.family == family.name
        np.testing.assert_array_equal(ours.duration_s, theirs.duration_s)
        np.testing.assert_array_equal(ours.submit_s, theirs.submit_s)


def test_a_mixture_of_unknown_families_is_refused():
    with pytest.raises(
        WorkloadError, match=r"env\.families=\['a', 'zzz'\]: no config for \['zzz'\]; known: \['a'\]"
    ):
        WorkloadSource(playbook(families=("a", "zzz")), {"a": playbook()})
