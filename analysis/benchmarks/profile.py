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
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args, get_type_hints

from analysis.benchmarks.arguments import count, names_among, read_arguments
from analysis.benchmarks.profile_bounds import Arithmetic, acting, learning, valuing
from analysis.benchmarks.profile_flops import RowCounts, count_rows, mean_rows, products
from analysis.benchmarks.profile_phases import (
    ACT,
    LEARNING,
    PHASES,
    REST,
    VALUE,
    PhaseClock,
    measured,
)
from sched_rl.config.load import load_config
from sched_rl.config.schema import Config, PpoConfig
from sched_rl.errors import ConfigError, SchedRLError

if TYPE_CHECKING:
    from sched_rl.agents.ppo import PPO

NETWORKS = ("scorer", "mlp", "attention")
KERNELS: tuple[str, ...] = get_args(get_type_hints(PpoConfig)["kernel"])
#: The whole of a minibatch's forward and backward pass.
LEARN = "learn"
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
    readers = {"networks": names_among(NETWORKS), "kernels": names_among(KERNELS), "rounds": count}
    own, overrides = read_arguments(arguments, readers)
    return Options(**own, overrides=overrides)


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
        config.cluster,
        agent.network.observation,
        agent.num_envs,
        seed=config.seed,
        families=config.families,
        with_potential=agent.shape_rewards,
    )
    env.reset()
    env.stagger(_STEPS_PER_JOB * config.cluster.jobs_per_episode, config.seed)
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
    parts, work = products(agent.network, env.layout), {}
    work[ACT], work[VALUE] = acting(parts, counts, agent), valuing(parts, counts)
    work[LEARN] = learning(parts, counts, agent, statistics.fmean(passes))
    evaluation = Line("evaluation", _evaluation_us(config, agent, ppo, samples))
    served_by = next(type(part).__name__ for part in vars(ppo).values() if hasattr(part, "differentiate"))
    return Profile(network, kernel, served_by, counts, (*_lines(spent_us, work, samples), evaluation))


def _lines(spent_us: dict[str, float], work: dict[str, Arithmetic], samples: int) -> list[Line]:
    def line(name: str, us: float) -> Line:
        own = work.get(name, Arithmetic())
        return Line(name, us, own.flops / samples / 1e3, 1e6 * own.least_s / samples)

    lines = []
    for name in PHASES:
        if name == LEARNING[0]:
            lines.append(line(LEARN, sum(spent_us[each] for each in LEARNING)))
        lines.append(line(name, spent_us[name]))
    return lines


def _evaluation_us(config: Config, agent: PpoConfig, ppo: PPO, samples: int) -> float:
    """CPU time of one evaluation, spread over the steps between two of them."""
    from sched_rl.evaluation.blocks import block_workloads, make_blocks
    from sched_rl.evaluation.learned import LearnedScheduler
    from sched_rl.evaluation.summary import evaluate

    scheduler = LearnedScheduler(ppo.greedy_actions, agent.network.observation)
    blocks = make_blocks(config.eval, config.cluster, config.families, "val")
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
