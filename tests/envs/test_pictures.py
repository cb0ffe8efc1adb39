"""Pictures say what the cluster is; by hand on small clusters, and whatever the cluster."""

from __future__ import annotations

import subprocess
import sys

import gymnasium
import numpy as np
import pytest
from hypothesis import given, settings

import sched_rl
from sched_rl.envs.batch import ClusterBatch
from sched_rl.envs.pictures.glyphs import draw_string, string_width
from sched_rl.envs.pictures.image import HEIGHT, WIDTH, draw_image
from sched_rl.envs.pictures.text import draw_text
from sched_rl.envs.pictures.view import view_cluster
from sched_rl.errors import ConfigError
from tests.simulator.instances import ACTIONS, clusters, playbook, workload

FITS, TOO_WIDE = (0, 114, 178), (213, 94, 0)


def small_cluster():
    """Job 0 runs on GPUs 0-2 until 50; at 10 a narrow and a wide job wait, one is beyond the window, one to come."""
    jobs = [(0, 50, 3, 4), (2, 25, 1, 9), (5, 100, 4, 2), (10, 1, 1, 1), (60, 1, 1, 1)]
    env = playbook(num_gpus=4, jobs_per_episode=5, max_queue_size=2, max_duration=100.0)
    batch = ClusterBatch(env, "playbook", 1, track_gpus=True)
    batch.begin(0, env, workload(jobs, horizon_s=200.0))
    for action in (1, 0, 0):
        batch.step(np.array([action]))
    return batch


def test_text_to_the_letter():
    batch = small_cluster()
    total_return = batch.state.clusters["total_return"][0]
    assert draw_text(view_cluster(batch, 0, 100.0)).splitlines() == [
        f"step 3  return {total_return:+.4f}  running",
        "time 10 s of 200 s [#.......................] 5.0 %",
        "jobs 3 queued, 1 running, 1 to come, 0 done",
        "GPUs 4, 1 idle",
        "  0-2  job 0     [##########..............] 40 s left",
        "queue, 2 in the window, 1 beyond",
        "  action   job  GPUs  duration_s  waited_s  priority  fits",
        "       1     1     1          25         8         9  yes",
        "       2     2     4         100         5         2  -",
    ]


def test_the_image_tells_what_fits_and_how_long_gpus_are_held():
    image = draw_image(view_cluster(small_cluster(), 0, 100.0))
    assert image.shape == (HEIGHT, WIDTH, 3)
    assert image.dtype == np.uint8
    cells = image[192:]
    fits, too_wide = ((cells == color).all(axis=2) for color in (FITS, TOO_WIDE))
    rows, columns = np.nonzero(fits)
    assert (np.ptp(columns) + 1) * (np.ptp(rows) + 1) == fits.sum()  # a filled box ...
    assert np.ptp(columns) + 1 == pytest.approx(
        np.sqrt(0.25) * 41, abs=1
    )  # ... as wide as the root of its duration
    assert columns.max() < np.nonzero(too_wide)[1].min()
    lanes = image[58 : 58 + 4 * 28, 100]  # beyond the label, before the bar's end
    busy = [tuple(lanes[lane * 28 + 14].tolist()) != (238, 238, 238) for lane in range(4)]
    assert busy == [True, True, True, False]


@settings(max_examples=60)
@given(clusters(max_resources=1), ACTIONS)
def test_every_cluster_can_be_drawn_and_its_jobs_add_up(instance, actions):
    env, jobs, _ = instance
    batch = ClusterBatch(env, "rich", 1, track_gpus=True)
    batch.begin(0, env, jobs)
    for action in actions:
        batch.step(np.array([action]))
        view = view_cluster(batch, 0, env.max_duration)
        assert view.num_queued + len(view.running) + view.num_arriving + view.num_completed == jobs.num_jobs
        held = [gpu for run in view.running for gpu in run.gpus]
        assert len(held) == len(set(held)) == view.num_gpus - view.num_idle
        assert [job.fits for job in view.window] == batch.action_mask[0, 1 : len(view.window) + 1].tolist()
    assert draw_text(view).count("\n") < 40
    assert draw_image(view).shape == (HEIGHT, WIDTH, 3)


def test_thousands_of_gpus_still_fit_the_picture():
    env = playbook(num_gpus=5000, max_gpus_per_job=3000, jobs_per_episode=40, arrival_mode="all_at_zero")
    jobs = workload([(0, 50, 100 + 60 * job) for job in range(40)], horizon_s=1e4)
    batch = ClusterBatch(env, "playbook", 1, track_gpus=True)
    batch.begin(0, env, jobs)
    batch.step(np.array([30]))
    view = view_cluster(batch, 0, 100.0)
    assert draw_image(view).shape == (HEIGHT, WIDTH, 3)
    assert max(map(len, draw_text(view).splitlines())) < 120


def test_every_letter_is_distinct_and_drawn_where_it_is_put():
    seen = set()
    for letter in "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ+-.,/%":
        image = np.zeros((20, 20, 3), np.uint8)
        assert draw_string(image, 2, 3, letter.lower(), (255, 0, 0), 2) == 2 + 8
        assert image[3:13, 2:8].any()
        seen.add(image.tobytes())
        image[3:13, 2:8] = 0
        assert not image.any()
    assert len(seen) == 42
    assert string_width("AB", 2) == 14


def test_letters_at_the_rim_are_cut_off():
    image = np.zeros((4, 5, 3), np.uint8)
    draw_string(image, 3, 2, "88", (255, 255, 255), 2)
    assert image[2:, 3:].any()


@pytest.mark.parametrize("mode", ["ansi", "rgb_array"])
def test_render_modes(mode):
    env = sched_rl.make_env(["env=heavy"], render_mode=mode)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.render()
    env.reset(seed=3)
    env.step(0)
    picture = env.render()
    assert isinstance(picture, str if mode == "ansi" else np.ndarray)
    vector = sched_rl.make_vec_env(["env=heavy"], 2, render_mode=mode)
    vector.reset(seed=3)
    vector.step(np.zeros(2, np.int64))
    np.testing.assert_array_equal(vector.render()[0], picture)
    assert len(vector.render()) == 2


def test_without_a_mode_there_is_no_picture():
    env = sched_rl.make_env([])
    env.reset(seed=1)
    assert env.render() is None


@pytest.mark.parametrize("make", [sched_rl.make_env, sched_rl.make_vec_env])
def test_an_unknown_render_mode_is_refused(make):
    with pytest.raises(ConfigError, match=r"render_mode='human': must be one of ansi, rgb_array, or None"):
        make([], render_mode="human")


def test_pictures_need_no_plotting_library():
    code = "import sys, sched_rl; e = sched_rl.make_env([], render_mode='rgb_array'); e.reset(seed=1); e.render()"
    code += "; print({'matplotlib', 'PIL', 'torch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "set()", done.stderr
