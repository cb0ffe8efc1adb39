"""The memory benchmark sees growth where there is some, and follows a real training."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from analysis.benchmarks.memory import Sample, follow, main, slope


def test_the_slope_is_that_of_the_line_behind_the_noise():
    noise = np.random.default_rng(0).normal(0.0, 0.2, 400)
    warm_up = np.minimum(np.arange(400) / 80, 1.0) * 50  # fills up in the first fifth: no growth
    samples = [Sample(u, 300 + warm_up[u] + 0.02 * u + noise[u]) for u in range(400)]
    growth, margin = slope(samples, steps_per_update=10_000)
    assert growth == pytest.approx(2.0, abs=margin)
    assert margin < 0.1


def test_a_process_that_hoards_is_seen_to_grow(tmp_path):
    metrics = tmp_path / "metrics.csv"
    code = (
        "import sys, time\nkept = []\nfile = open(sys.argv[1], 'w', buffering=1)\nfile.write('header\\n')\n"
        "for row in range(100):\n kept.append(b'x' * 2**20)\n file.write('row\\n')\n time.sleep(0.02)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(metrics)]) as process:
        samples = follow(process, metrics, every_s=0.02)
    growth, margin = slope(samples, steps_per_update=1_000_000)
    assert growth - margin > 0.5  # a mebibyte a row


def test_it_follows_a_training(capsys):
    small = ("agent.num_envs=4", "agent.rollout_steps=16", "eval.every_updates=1000")
    assert main([*small, "--steps=64000"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("64,000 steps, 1,000 updates")
    assert " 100%        64,000" in printed
    assert "MiB a million steps" in printed
