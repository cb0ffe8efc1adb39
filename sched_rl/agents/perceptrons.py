"""The learner and actor of two multilayer perceptrons, forward and backward without a graph; on the CPU.

Nearly all the time goes into matrix products that run at the machine's rate, so the gain lies in leaving products
out: a state with a single legal action has a certain outcome and no policy gradient, whatever the weights, and skips
the policy's perceptron. (In `env.step=event` that is every second state.)
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sched_rl.agents.compiled import CompiledEvaluator
from sched_rl.agents.evaluators import Floats, raise_all_masked, raise_unservable
from sched_rl.agents.kernels.categorical import SERVED, count_legal, sample_masked
from sched_rl.agents.kernels.loss import NUM_SUMS
from sched_rl.agents.kernels.masked import differentiate_logits, differentiate_values
from sched_rl.agents.losses import MinibatchSamples
from sched_rl.agents.networks import ActorCritic
from sched_rl.agents.networks.mlp import MlpPolicy, MlpValue
from sched_rl.config.schema import PpoConfig

#: States of a value pass at once: their activations stay in the second-level cache.
_VALUE_CHUNK = 256


class Perceptron:
    """Linear layers with relus between them; activations and gradients in buffers that grow once.

    Args:
        layers: read anew for every pass, on the CPU.
    """

    def __init__(self, layers: nn.Module) -> None:
        self.layers = [layer for layer in layers.modules() if isinstance(layer, nn.Linear)]
        self._gradients = [
            (torch.zeros_like(layer.weight.detach()), torch.zeros_like(layer.bias.detach()))
            for layer in self.layers
        ]
        self._allocate(0)

    def _allocate(self, rows: int) -> None:
        self._outputs = [layer.weight.new_empty(rows, layer.out_features) for layer in self.layers]
        self._slopes = [torch.empty_like(output) for output in self._outputs[:-1]]

    def forward(self, inputs: Tensor) -> Tensor:
        """Outputs (R, O) of inputs (R, I): a view, overwritten by the next call."""
        rows = len(inputs)
        if rows > len(self._outputs[0]):
            self._allocate(rows)
        self._inputs = [inputs]
        for layer, buffer in zip(self.layers, self._outputs, strict=True):
            out = buffer[:rows]
            torch.addmm(layer.bias, self._inputs[-1], layer.weight.t(), out=out)
            if layer is not self.layers[-1]:
                self._inputs.append(out.relu_())
        return out

    def backward(self, of_outputs: Tensor) -> None:
        """Leave the gradients with the parameters, given that of the last outputs (R, O)."""
        for depth in reversed(range(len(self.layers))):
            layer, (of_weight, of_bias) = self.layers[depth], self._gradients[depth]
            torch.mm(of_outputs.t(), self._inputs[depth], out=of_weight)
            torch.sum(of_outputs, 0, out=of_bias)
            layer.weight.grad, layer.bias.grad = of_weight, of_bias
            if depth:
                of_inputs = self._slopes[depth - 1][: len(of_outputs)]
                torch.mm(of_outputs, layer.weight, out=of_inputs)
                # The relu's gradient in place; multiplying with `> 0` would take six times as long.
                of_outputs = torch.ops.aten.threshold_backward.grad_input(
                    of_inputs, self._inputs[depth], 0, grad_input=of_inputs
                )


class MlpEvaluator(CompiledEvaluator):
    """`PolicyEvaluator` of `agent/network=mlp`, gradients included."""

    def __init__(self, network: ActorCritic, device: torch.device, config: PpoConfig) -> None:
        super().__init__(network, device, config)
        self._policy, self._value = Perceptron(network.policy), Perceptron(network.value)

    @staticmethod
    def serves(network: ActorCritic) -> bool:
        """Whether this is a network of two perceptrons."""
        return isinstance(network.policy, MlpPolicy) and isinstance(network.value, MlpValue)

    @torch.no_grad()
    def sample(
        self,
        observation: Floats,
        mask: NDArray[np.bool_],
        uniform: NDArray[np.float64],
        action: NDArray[np.int64],
        log_prob: Floats,
        entropy: Floats,
    ) -> None:
        """Draw an action a row; see `PolicyEvaluator`."""
        num_legal = np.empty(len(mask), np.int64)
        count_legal(mask, num_legal)
        if not num_legal.all():
            raise_all_masked(int(np.flatnonzero(num_legal == 0)[0]))
        action[:], log_prob[:], entropy[:] = mask.argmax(1), 0.0, 0.0
        states = np.flatnonzero(num_legal > 1)
        if not len(states):
            return
        logits = self._policy.forward(
            torch.from_numpy(observation[states].astype(self.kind, copy=False))
        ).numpy()
        drawn = action[states], log_prob[states], entropy[states]
        row = sample_masked(logits, mask[states], uniform[states], *drawn)
        if row != SERVED:
            raise_unservable(self.network, mask, int(states[row]))
        action[states], log_prob[states], entropy[states] = drawn

    @torch.no_grad()
    def values(self, observation: Floats, out: Floats) -> None:
        """Values of observations (M, D) into out (M,)."""
        for first in range(0, len(observation), _VALUE_CHUNK):
            chunk = slice(first, first + _VALUE_CHUNK)
            states = torch.from_numpy(observation[chunk].astype(self.kind, copy=False))
            out[chunk] = self._value.forward(states).squeeze(1).numpy()

    @torch.no_grad()
    def differentiate(self, samples: Tensor, recorded: MinibatchSamples, ent_coef: float) -> Tensor:
        """Leave the gradient of a minibatch's loss with the parameters; see `PolicyEvaluator`."""
        batch = self.minibatch(samples, recorded, ent_coef)
        states = torch.from_numpy(self.observation).index_select(0, torch.from_numpy(batch.samples))
        sums, loss = np.zeros(NUM_SUMS), (batch.coefficients, batch.recorded)
        values = self._value.forward(states)
        differentiate_values(*loss, batch.samples, values.view(-1).numpy(), sums)
        self._value.backward(values)
        logits = self._policy.forward(states[: batch.num_choices])
        of_logits = torch.empty_like(logits)
        differentiate_logits(
            *loss,
            self.mask,
            self.action,
            batch.samples,
            batch.advantage,
            logits.numpy(),
            of_logits.numpy(),
            sums,
        )
        self._policy.backward(of_logits)
        return self.terms(sums / len(states), ent_coef)
