"""Randomness with an address: every stream is spawned from the run's seed by its purpose.

Adding a consumer never moves another consumer's stream, because the address, not the order of the calls, decides.
"""

from __future__ import annotations

import zlib

import numpy as np

#: Training workloads draw their seeds from this range; every evaluation split lies below it.
TRAINING_SEED_LOW = 2**31
TRAINING_SEED_HIGH = 2**32


def stream(seed: int, purpose: str, index: int = 0) -> np.random.Generator:
    """The generator of one purpose.

    Args:
        seed: the run's seed.
        purpose: the address, for example `"workload"`, `"policy"`, `"minibatch"`, `"network"`.
        index: the number of the stream within the purpose, for example the environment's.

    Returns:
        A PCG64 generator; equal arguments give equal streams on every platform.
    """
    address = np.random.SeedSequence(entropy=seed, spawn_key=(zlib.crc32(purpose.encode()), index))
    return np.random.Generator(np.random.PCG64(address))


def generator_state(generator: np.random.Generator) -> dict[str, object]:
    """The generator's state as plain containers, for a checkpoint."""
    return dict(generator.bit_generator.state)


def load_generator_state(generator: np.random.Generator, state: dict[str, object]) -> None:
    """Put a generator back where `generator_state` found it."""
    generator.bit_generator.state = state
