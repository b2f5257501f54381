"""The global random generators: seeded together, and put back as they were."""

import pickle
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_all(seed: int) -> None:
    """Seed every global generator."""
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)
    random.seed(seed)


@contextmanager
def random_state_restored() -> Iterator[None]:
    """Restore the state of every global random generator in the end."""
    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    seed = torch.initial_seed()
    on_gpus = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None
    try:
        yield
    finally:
        if torch.initial_seed() != seed:
            torch.manual_seed(seed)  # until a GPU is used for the first time, the seed is all there is of its generator
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.random.set_rng_state(states[2])
        if on_gpus is not None:
            torch.cuda.set_rng_state_all(on_gpus)


def fingerprint() -> bytes:
    """What changes whenever one of the global generators on the CPU is seeded anew or drawn from."""
    return pickle.dumps((random.getstate(), np.random.get_state(), torch.random.get_rng_state().numpy()))
