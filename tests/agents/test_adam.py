"""The optimizer steps as torch's own does, to the bit, and continues where it was saved."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from sched_rl.agents.adam import FusedAdam


def parameters(sizes=((3, 4), (3,), (7, 3))):
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(size, generator=generator)) for size in sizes]


def give_gradients(everyone, step):
    generator = torch.Generator().manual_seed(step + 1)
    for parameter in everyone:
        parameter.grad = torch.randn(parameter.shape, generator=generator) * 10.0 ** (-step)


def test_steps_equal_those_of_torch():
    ours, theirs = parameters(), parameters()
    adam = FusedAdam((ours[:2], ours[2:]), 0.01, 1e-5)
    groups = [{"params": theirs[:2]}, {"params": theirs[2:]}]
    reference = torch.optim.Adam(groups, lr=0.01, eps=1e-5, fused=True)
    for step in range(6):
        adam.param_groups[1]["lr"] = reference.param_groups[1]["lr"] = 0.1 / (step + 1)
        give_gradients(ours, step)
        give_gradients(theirs, step)
        adam.step()
        reference.step()
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))
    saved, expected = adam.state_dict()["state"], reference.state_dict()["state"]
    for number, moments in expected.items():
        assert all(torch.equal(saved[number][name], value) for name, value in moments.items())


def test_it_continues_from_the_state_of_either():
    theirs = parameters()
    reference = torch.optim.Adam([{"params": theirs}], lr=0.02, eps=1e-5, fused=True)
    give_gradients(theirs, 0)
    reference.step()
    ours = [torch.nn.Parameter(parameter.detach().clone()) for parameter in theirs]
    adam = FusedAdam((ours,), 0.5, 1e-5)
    adam.load_state_dict(reference.state_dict())
    give_gradients(ours, 1)
    give_gradients(theirs, 1)
    adam.step()
    reference.step()
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


@pytest.mark.parametrize("sizes", [((3, 4), (3,)), ((3, 4), (3,), (7, 4))])
def test_a_state_of_other_parameters_is_refused(sizes):
    other = FusedAdam((parameters(sizes),), 0.01, 1e-5)
    with pytest.raises(ValueError, match=r"other sizes|has shape"):
        FusedAdam((parameters(),), 0.01, 1e-5).load_state_dict(other.state_dict())


def test_a_learner_is_built_without_the_compiler():
    """Torch's compiler takes longer to import than everything else that a short training does."""
    code = (
        "import sys; from sched_rl.agents import build_ppo; from sched_rl.config.load import load_config;"
        "from sched_rl.envs.layout import ObservationLayout as Layout;"
        "ppo = build_ppo(load_config('train', []).agent, Layout('rich', 12, 7, 5, 6), 1);"
        "sys.exit(','.join({'torch._dynamo', 'sympy'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
