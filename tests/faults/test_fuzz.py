"""Thousands of damaged inputs of each kind: a result or one error of ours, quickly, and nothing else.

In `make test` a few hundred of each; the whole counts, 10 000 a kind, are in `make test-all` and are printed.
"""

from __future__ import annotations

import csv
import hashlib
import io
import time
import warnings

import numpy as np
import pytest

from sched_rl.checkpoint import CheckpointStore
from sched_rl.checkpoint.file import digest_path, load_checkpoint
from sched_rl.config.compose import ConfigSources
from sched_rl.config.load import load_command
from sched_rl.diagnosis.engine import diagnose
from sched_rl.diagnosis.reading import read_bare_csv
from sched_rl.errors import SchedRLError
from sched_rl.workloads.swf import read_swf
from sched_rl.workloads.trace_jobs import jobs_of

MANY = pytest.param(10_000, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])
#: No single case may compute for longer, in seconds: a loop without end. What waits meets the test's own timeout.
PATIENCE_S = 60.0
#: Bytes that parsers trip over.
MEAN = [
    b"\0",
    b"\xff",
    b";",
    b"nan",
    b"inf",
    b"-1",
    b"1e308",
    b"\n\n",
    b'"',
    b",",
    b"0x10",
    b"1_0",
    b"=",
    b"${",
    b"}",
]


def damaged(content: bytes, draws: np.random.Generator) -> bytes:
    """Cut, overwrite, insert, repeat or drop, a few times over."""
    data = bytearray(content)
    for _ in range(draws.integers(1, 5)):
        at = int(draws.integers(len(data) + 1))
        kind = draws.integers(5)
        if kind == 0:
            del data[at:]
        elif kind == 1:
            data[at : at + 1] = draws.bytes(1)
        elif kind == 2:
            data[at:at] = MEAN[draws.integers(len(MEAN))]
        elif kind == 3:
            data[at:at] = data[at : at + int(draws.integers(1, 200))]
        else:
            del data[at : at + int(draws.integers(1, 40))]
    return bytes(data)


def survive(count, case, capsys):
    """Run the cases; none may raise anything but an error of ours of one line, or hang."""
    refused = 0
    draws = np.random.default_rng(count)
    for _ in range(count):
        started_s = time.process_time()
        message = told(case, draws)
        refused += message is not None
        assert len(message or "") < 2000
        assert time.process_time() - started_s < PATIENCE_S
    with capsys.disabled():
        print(f" {count:,} cases, {refused:,} refused", end="")
    assert refused > 0


def told(case, draws):
    try:
        case(draws)
    except SchedRLError as error:
        return str(error)
    return None


@pytest.mark.parametrize("count", [200, MANY])
def test_traces(tmp_path, capsys, count):
    lines = [
        f"{i} {i * 7} -1 {10 + i} {1 + i % 8} -1 -1 {1 + i % 8} {20 + i} " + "-1 " * 9 for i in range(1, 30)
    ]
    whole = ("; MaxProcs: 8\n; Note: x\n" + "\n".join(lines) + "\n").encode()
    path = tmp_path / "trace.swf"

    def case(draws):
        path.write_bytes(damaged(whole, draws))
        jobs = jobs_of(read_swf(path))
        assert (jobs.run_s > 0).all()
        assert (jobs.nodes <= jobs.num_nodes).all()

    survive(count, case, capsys)


@pytest.mark.parametrize("count", [100, MANY])
def test_curves_for_the_diagnosis(tmp_path, capsys, count):
    whole, path = curves(), tmp_path / "metrics.csv"

    def case(draws):
        path.write_bytes(damaged(whole, draws))
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", RuntimeWarning
            )  # overflow in a curve of 1e308 is no fault of ours
            diagnose(read_bare_csv(path))

    survive(count, case, capsys)


def curves() -> bytes:
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(
        ["update", "timesteps", "eval_mean_return", "eval_min_block_return", "entropy", "approx_kl", "v_loss"]
    )
    draws = np.random.default_rng(0)
    for update in range(40):
        table.writerow([update, 512 * update, *np.round(draws.random(5), 4)])
    return out.getvalue().encode()


@pytest.mark.parametrize("count", [100, MANY])
def test_checkpoints_under_a_matching_digest(tmp_path, capsys, count):
    store = CheckpointStore(tmp_path / "checkpoints")
    store.save_periodic(
        1, {"update": 1, "weights": np.arange(40.0), "names": ["a", "b"], "nested": {"x": 1.5}}
    )
    path = store.latest_path()
    assert path is not None
    whole = path.read_bytes()

    def case(draws):
        path.write_bytes(damaged(whole, draws))
        digest_path(path).write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
        load_checkpoint(path)

    survive(count, case, capsys)


SOUND = [
    "agent.lr=1e-3",
    "agent=sjf",
    "env=heavy",
    "agent/network=mlp",
    "agent.network.hidden_sizes=[64,64]",
    "env.reward.progress_scale=1.0",
    "eval.num_blocks=3",
    "baselines=[sjf,linear_score]",
    "run.name='a b'",
    "tracking.uri=sqlite:///x.db",
    "seed=3",
]


@pytest.mark.parametrize("count", [30, MANY])
def test_overrides(capsys, count):
    sources = ConfigSources(())

    def case(draws):
        words = [SOUND[i] for i in draws.integers(len(SOUND), size=draws.integers(1, 4))]
        words[0] = damaged(words[0].encode(), draws).decode("latin-1")
        load_command("train", words, sources)

    survive(count, case, capsys)


def test_an_interpolation_that_does_not_close_is_one_line():
    with pytest.raises(SchedRLError, match=r"^run\.name=.*(mismatched input|no viable alternative)"):
        load_command("train", ["run.name='${a'"], ConfigSources(()))


def test_a_string_of_ten_megabytes_is_refused_and_not_chewed_on():
    with pytest.raises(
        SchedRLError, match=r"aaa\.\.\.: 10,000,009 characters; an override has at most 100,000"
    ) as caught:
        load_command("train", ["run.name=" + "a" * 10_000_000], ConfigSources(()))
    assert len(str(caught.value)) < 200
