from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.special import logsumexp

from sched_rl.agents.distributions import action_log_prob, entropy, kl_divergence, masked_log_softmax
from sched_rl.agents.kernels.categorical import sample_masked, sample_packed


@pytest.fixture
def rows():
    generator = np.random.default_rng(1)
    logits = (5 * generator.standard_normal((200, 9))).astype(np.float32)
    mask = generator.random((200, 9)) < 0.3
    mask[:, 0] = True
    mask[0] = [True] + [False] * 8
    return logits, mask


def reference(logits, mask):
    """Float64 log-probabilities, -inf where illegal."""
    masked = np.where(mask, logits.astype(np.float64), -np.inf)
    return masked - logsumexp(masked, axis=1, keepdims=True)


def plogp(log_p, log_q):
    with np.errstate(invalid="ignore"):
        return np.where(np.isfinite(log_p), np.exp(log_p) * (log_p - log_q), 0.0).sum(1)


def test_entropy_and_log_prob_agree_with_float64_over_legal_actions(rows):
    logits, mask = rows
    log_p = reference(logits, mask)
    computed = masked_log_softmax(torch.from_numpy(logits), torch.from_numpy(mask))
    np.testing.assert_allclose(entropy(computed), -plogp(log_p, 0.0), rtol=1e-5, atol=1e-6)
    action = np.array([np.flatnonzero(row)[-1] for row in mask])
    expected = log_p[np.arange(len(action)), action]
    np.testing.assert_allclose(
        action_log_prob(computed, torch.from_numpy(action)), expected, rtol=1e-5, atol=1e-6
    )
    assert entropy(computed)[0] == 0.0, "a single legal action leaves nothing to choose"


def test_kl_agrees_with_float64_over_legal_actions(rows):
    logits, mask = rows
    other = logits[::-1].copy()
    expected = plogp(reference(logits, mask), reference(other, mask))
    first, second = (masked_log_softmax(torch.from_numpy(x), torch.from_numpy(mask)) for x in (logits, other))
    np.testing.assert_allclose(kl_divergence(first, second), expected, rtol=1e-4, atol=1e-5)
    assert (kl_divergence(first, first) == 0).all()


def test_half_precision_logits_are_reduced_in_float32(rows):
    logits, mask = rows
    low = torch.from_numpy(logits).bfloat16()
    computed = masked_log_softmax(low, torch.from_numpy(mask))
    assert computed.dtype == torch.float32
    expected = -plogp(reference(low.float().numpy(), mask), 0.0)
    np.testing.assert_allclose(entropy(computed), expected, rtol=1e-5, atol=1e-6)


def test_illegal_logits_get_no_gradient(rows):
    logits, mask = rows
    leaf = torch.from_numpy(logits).requires_grad_()
    computed = masked_log_softmax(leaf, torch.from_numpy(mask))
    (entropy(computed).sum() + computed[:, 0].sum()).backward()
    assert torch.isfinite(leaf.grad).all()
    assert (leaf.grad[~torch.from_numpy(mask)] == 0).all()


def sampled(logits, mask, uniform):
    count = len(logits)
    out = np.zeros(count, np.int64), np.zeros(count, np.float32), np.zeros(count, np.float32)
    return sample_masked(logits, mask, uniform, *out), *out


def test_sampling_reports_the_log_prob_and_entropy_of_what_it_drew(rows):
    logits, mask = rows
    served, action, log_prob, drawn_entropy = sampled(logits, mask, np.random.default_rng(2).random(200))
    log_p = reference(logits, mask)
    assert served == -1
    assert mask[np.arange(200), action].all()
    np.testing.assert_allclose(log_prob, log_p[np.arange(200), action], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(drawn_entropy, -plogp(log_p, 0.0), rtol=1e-6, atol=1e-7)


def test_packed_sampling_draws_the_same_actions(rows):
    logits, mask = rows
    uniform = np.random.default_rng(2).random(200)
    _, action, log_prob, drawn_entropy = sampled(logits, mask, uniform)
    offsets = np.concatenate(([0], mask.sum(1).cumsum()))
    packed = np.zeros_like(action), np.zeros_like(log_prob), np.zeros_like(log_prob)
    assert sample_packed(logits[mask], np.nonzero(mask)[1], offsets, uniform, *packed) == -1
    np.testing.assert_array_equal(packed[0], action)
    np.testing.assert_array_equal(packed[1], log_prob)
    np.testing.assert_array_equal(packed[2], drawn_entropy)


def test_sampling_follows_the_probabilities():
    count = 100_000
    logits = np.tile(np.log(np.array([1.0, 9.0, 2.0, 3.0])).astype(np.float32), (count, 1))
    mask = np.tile(np.array([True, False, True, True]), (count, 1))
    _, action, _, _ = sampled(logits, mask, np.random.default_rng(3).random(count))
    share = np.bincount(action, minlength=4) / count
    np.testing.assert_allclose(share, [1 / 6, 0, 2 / 6, 3 / 6], atol=0.006)  # 4 standard errors


def test_extreme_draws_stay_on_possible_actions():
    logits = np.array([[0.0, -2000.0, 1.0, -2000.0]], np.float32)
    mask = np.array([[False, True, True, True]])
    for uniform in (0.0, np.nextafter(1.0, 0.0)):
        _, action, log_prob, _ = sampled(logits, mask, np.array([uniform]))
        assert action[0] == 2
        assert log_prob[0] == 0.0


@pytest.mark.parametrize("fault", ["nothing legal", "nan"])
def test_an_impossible_row_is_named(rows, fault):
    logits, mask = rows
    if fault == "nan":
        logits[7, 0] = np.nan
    else:
        mask[7] = False
    assert sampled(logits, mask, np.full(200, 0.5))[0] == 7
