"""Where the time of a training goes, and how far that is from what the arithmetic alone would take.

`python -m analysis.benchmarks.profile [key=value ...]`. The bound of a phase is its useful floating-point operations
(`profile_flops`) at the rate at which this machine multiplies matrices of those shapes (`profile_gemm`), measured in
the same process. All times are CPU time of one thread.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, get_args, get_type_hints

from analysis.benchmarks.profile_flops import Product, RowCounts, count_rows, flops, mean_rows, products
from analysis.benchmarks.profile_gemm import gemm_rate
from analysis.benchmarks.profile_phases import (
    ACT,
    LEARNING,
    PHASES,
    REST,
    VALUE,
    PhaseClock,
    measured,
)
from analysis.benchmarks.scaling import names_of
from sched_rl.config.load import load_config
from sched_rl.config.schema import Config, PpoConfig
from sched_rl.errors import ConfigError, SchedRLError

if TYPE_CHECKING:
    from sched_rl.agents.ppo import PPO

NETWORKS = ("scorer", "mlp", "attention")
KERNELS: tuple[str, ...] = get_args(get_type_hints(PpoConfig)["kernel"])
#: The whole of a minibatch's forward and backward pass.
LEARN = "learn"
#: Rows that a gradient's product adds up at once, at most.
LONGEST_INNER = 2048
#: Steps of an episode for each of its jobs.
_STEPS_PER_JOB = 2

USAGE = f"""usage: python -m analysis.benchmarks.profile [key=value ...]

  networks={",".join(NETWORKS)}  names of agent/network
  kernels={",".join(KERNELS)}  values of agent.kernel (default: all)
  rounds=5                 updates of which the median counts

Every other key=value overrides the configuration: env=heavy, agent.num_envs=128, ..."""


@dataclass(frozen=True)
class Options:
    """The choices on the command line."""

    networks: tuple[str, ...] = NETWORKS
    kernels: tuple[str, ...] = KERNELS
    rounds: int = 5
    overrides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """One phase.

    Attributes:
        name: of the phase.
        us: CPU microseconds for a step of one cluster.
        kflops: useful thousands of floating-point operations for it; 0 where there is no network.
        bound_us: what they take at the measured rate.
    """

    name: str
    us: float
    kflops: float = 0.0
    bound_us: float = 0.0


@dataclass(frozen=True)
class Profile:
    """What was measured of one network and kernel.

    Attributes:
        network: name of agent/network.
        kernel: value of agent.kernel.
        served_by: class of the evaluator that this kernel chose.
        rows: of a rollout, on average.
        lines: phases, the evaluation last.
    """

    network: str
    kernel: str
    served_by: str
    rows: RowCounts
    lines: tuple[Line, ...]


def parse_options(arguments: Sequence[str]) -> Options:
    """From `key=value` arguments.

    Raises:
        ConfigError: one line on the first thing that is wrong; overrides are judged by the configuration itself.
    """
    options = Options()
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals:
            raise ConfigError(f"{argument}: must be key=value; --help lists the keys")
        if key == "networks":
            options = replace(options, networks=names_of(key, value, NETWORKS))
        elif key == "kernels":
            options = replace(options, kernels=names_of(key, value, KERNELS))
        elif key == "rounds":
            if not value.isdecimal() or int(value) < 1:
                raise ConfigError(f"rounds={value}: must be a whole number, at least 1")
            options = replace(options, rounds=int(value))
        else:
            options = replace(options, overrides=(*options.overrides, argument))
    return options


def profile(network: str, kernel: str, options: Options) -> Profile:
    """Train for some updates and say where the time went."""
    from sched_rl.agents import build_ppo
    from sched_rl.envs.vector import VectorClusterEnv

    chosen = (f"agent/network={network}", f"agent.kernel={kernel}", "tracking=none", "progress=off")
    config = load_config("train", [*chosen, *options.overrides])
    agent = config.agent
    if not isinstance(agent, PpoConfig):
        raise ConfigError(f"agent={agent.name}: does not learn; choose one that does, such as agent=ppo")
    env = VectorClusterEnv(
        config.env,
        agent.network.observation,
        agent.num_envs,
        seed=config.seed,
        families=config.families,
        with_potential=agent.shape_rewards,
    )
    env.reset()
    env.stagger(_STEPS_PER_JOB * config.env.jobs_per_episode, config.seed)
    ppo = build_ppo(agent, env.layout, config.seed)
    ppo.collect(env)
    ppo.update()  # compiles what is not compiled yet
    clocks, rows, passes = [], [], []
    for _ in range(options.rounds):
        clock = PhaseClock()
        with measured(ppo, env, clock), clock.phase(REST):
            ppo.collect(env)
            metrics = ppo.update()
        clocks.append(clock)
        rows.append(count_rows(ppo.buffer, env.layout))
        passes.append(metrics["num_minibatches_done"] / agent.num_minibatches)
    counts, samples = mean_rows(rows), agent.num_envs * agent.rollout_steps
    spent = {name: statistics.median(clock.seconds[name] for clock in clocks) for name in PHASES}
    spent_us = {name: 1e6 * seconds / samples for name, seconds in spent.items()}
    bounds = _bounds(products(agent.network, env.layout), counts, agent, statistics.fmean(passes))
    evaluation = Line("evaluation", _evaluation_us(config, agent, ppo, samples))
    served_by = next(type(part).__name__ for part in vars(ppo).values() if hasattr(part, "differentiate"))
    return Profile(network, kernel, served_by, counts, (*_lines(spent_us, bounds, samples), evaluation))


def _bounds(
    parts: Sequence[Product], counts: RowCounts, agent: PpoConfig, passes: float
) -> dict[str, tuple[float, float]]:
    """Floating-point operations and least seconds of a rollout and update, by phase."""
    totals = {ACT: [0.0, 0.0], VALUE: [0.0, 0.0], LEARN: [0.0, 0.0]}
    for part in parts:
        rows = counts.of(part.rows)
        without = (VALUE, rows) if part.path == "value" else (ACT, rows // agent.rollout_steps)
        amount = flops(part, rows, learning=False)
        _add(totals[without[0]], amount, amount / gemm_rate(max(1, without[1]), part.inputs, part.outputs))
        batch = max(1, rows // agent.num_minibatches)
        least_s = passes * agent.num_minibatches * learning_seconds(part, batch)
        _add(totals[LEARN], passes * flops(part, rows, learning=True), least_s)
    return {name: (amount, least_s) for name, (amount, least_s) in totals.items()}


def learning_seconds(part: Product, batch: int) -> float:
    """Least seconds of a product and its gradients on the rows of a minibatch, each at the rate of its own shape."""
    once, inner = 2.0 * batch * part.inputs * part.outputs, min(batch, LONGEST_INNER)
    seconds = once / gemm_rate(batch, part.inputs, part.outputs)
    seconds += once / gemm_rate(part.inputs, inner, part.outputs)  # of the weight
    if part.learns_before:
        seconds += once / gemm_rate(batch, part.outputs, part.inputs)
    return seconds


def _add(totals: list[float], amount: float, least_s: float) -> None:
    totals[0] += amount
    totals[1] += least_s


def _lines(spent_us: dict[str, float], bounds: dict[str, tuple[float, float]], samples: int) -> list[Line]:
    lines, learning_us = [], sum(spent_us[name] for name in LEARNING)
    for name in PHASES:
        if name == LEARNING[0]:
            lines.append(_bounded(LEARN, learning_us, bounds, samples))
        lines.append(_bounded(name, spent_us[name], bounds, samples))
    return lines


def _bounded(name: str, us: float, bounds: dict[str, tuple[float, float]], samples: int) -> Line:
    amount, least_s = bounds.get(name, (0.0, 0.0))
    return Line(name, us, amount / samples / 1e3, 1e6 * least_s / samples)


def _evaluation_us(config: Config, agent: PpoConfig, ppo: PPO, samples: int) -> float:
    """CPU time of one evaluation, spread over the steps between two of them."""
    from sched_rl.evaluation.blocks import block_workloads, make_blocks
    from sched_rl.evaluation.learned import LearnedScheduler
    from sched_rl.evaluation.summary import evaluate

    scheduler = LearnedScheduler(ppo.greedy_actions, agent.network.observation)
    blocks = make_blocks(config.eval, config.env, config.families, "val")
    for block in blocks:
        list(block_workloads([block], config.families))  # drawn once in a training, and kept
    start_s = time.process_time()
    evaluate(scheduler, blocks, config.families)
    return 1e6 * (time.process_time() - start_s) / (samples * config.eval.every_updates)


def table(result: Profile) -> str:
    """A profile as aligned text."""
    rows, total_us = result.rows, sum(line.us for line in result.lines if line.name != LEARN)
    lines = [
        f"{result.network}, agent.kernel={result.kernel} ({result.served_by}): {total_us:.1f} us/step, "
        f"{1e6 / total_us:,.0f} steps/s",
        f"a state has {rows.job / rows.state:.1f} jobs in sight; {rows.choice / rows.state:.0%} of the states "
        f"have a choice, of {1 + rows.legal_job / max(rows.choice, 1):.1f} actions on average",
        f"{'phase':<24}{'us/step':>9}{'share':>8}{'kFLOP/step':>12}{'GFLOP/s':>9}{'bound us':>10}{'of bound':>10}",
    ]
    for line in result.lines:
        if line.us == 0.0:
            continue
        name = line.name.replace("learn: ", "  of it: ")
        text = f"{name:<24}{line.us:>9.2f}{line.us / total_us:>8.1%}"
        if line.kflops:
            text += (
                f"{line.kflops:>12.1f}{line.kflops / line.us:>9.1f}{line.bound_us:>10.2f}"
                f"{line.bound_us / line.us:>10.0%}"
            )
        lines.append(text)
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Profile and print; returns the exit code."""
    if any(argument in ("-h", "--help") for argument in arguments):
        print(USAGE)
        return 0
    try:
        options = parse_options(arguments)
        import torch

        torch.set_num_threads(1)
        for network in options.networks:
            for kernel in options.kernels:
                print(table(profile(network, kernel, options)), end="\n\n", flush=True)
    except SchedRLError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
