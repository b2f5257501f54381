"""Every step of every optimiser of a run: at which learning rate, with what momentum and weight decay, after which batches.

Written down from the solutions' docstrings, and published values where the settings give no others. There are 8 retain, 6
forget and 4 validation examples, of two classes, in batches of 4. Of GKT's variants no image passes the gate of an untrained
network, and `sisa` trains as its task does; they have other tests.
"""

import dataclasses
import math

import numpy as np
import pytest
import torch

from starting_kit.networks import NETWORKS
from trials import CLASS_DATA, CLASS_TASK, DATA, TASK, Step, steps_of


def few(ids, count):
    """As many examples each of zeros and of nines."""
    return np.concatenate([ids[DATA.labels[ids] == label][:count] for label in (0, 9)])


FEW = dataclasses.replace(DATA, retain=few(DATA.retain, 4), forget=few(DATA.forget, 3), validation=few(DATA.validation, 2))
USUAL = {"task": dataclasses.replace(TASK, loader_batch_size=4), "data": FEW}
WITHOUT_DATA = {"task": dataclasses.replace(CLASS_TASK, loader_batch_size=4), "data": CLASS_DATA, "data_free": True}


def sgd(rates, shown, decay=5e-4, momentum=0.9, before=0):
    """Consecutive steps of one optimiser."""
    pairs = enumerate(zip(rates, shown, strict=True), before)
    return [Step("SGD", pytest.approx(rate), momentum, decay, number, batches) for number, (rate, batches) in pairs]


def adam(rates, shown, decay=0):
    return [step._replace(optimiser="Adam") for step in sgd(rates, shown, decay, momentum=(0.9, 0.999))]


def after(shown):
    """What networks see after the last step, or without any."""
    return [Step("", 0, 0, 0, 0, shown)]


def cosine(highest, done, lowest=0.0):
    return lowest + (highest - lowest) * (1 + math.cos(math.pi * done)) / 2


ONE_EPOCH, TWO_EPOCHS = ["4t"] * 2, ["4t"] * 4  # of the retain set
IN_THREES = ["3t", "3t", "2t"]
FALLING = [1e-3, 1e-3, 5e-4, 5e-4]  # a cosine over two epochs
OF_FISHER = " ".join([*["4e"], *["1e"] * 10] * 2)  # of every batch the classes are counted, then each has its gradients
SCL = [
    *sgd([5e-3] * 2, ["4t", "2t"], decay=0),
    *sgd([cosine(3e-4, done, 1e-6) for done in (0, 1 / 4)], ["4t 3t", "2t 3t"], decay=0),
    *sgd([4e-3] * 3, IN_THREES, decay=1e-2),
    *sgd([cosine(3e-4, done, 1e-6) for done in (2 / 4, 3 / 4)], ["4t 3t", "2t 3t"], decay=0, before=2),
    *sgd([4e-3] * 3, IN_THREES, decay=1e-2, before=3),
]
PRUNE = [*sgd([1e-2] * 2, ["3t"] * 2), *sgd([1e-3] * 3, IN_THREES)]
OF_SCRUB = ["3t 3e"] * 2, ["4t 4e"] * 2  # a max step, a min step

CASES = {
    "activation_reset": (
        {"epochs": 1, "batch_size": 3, "retain_share": 0.5},
        sgd([1e-3] * 3, ["4e 2e 2e 2e 3t", "3t", "2t"]),
    ),
    "amnesiacs": ({"warm_up_epochs": 1, "epochs": 2}, [*sgd([9e-4], ["4t 4e"]), *sgd(FALLING, ["4t 4e"] * 4)]),
    "bad_teacher": ({"epochs": 2}, adam([1e-4] * 2, ["8e 8e 8t"] * 2)),
    "boundary_expand": ({"epochs": 2}, sgd([1e-5] * 4, ["4t", "2t"] * 2, decay=0)),
    "boundary_shrink": ({"epochs": 2}, sgd([1e-5] * 4, ["4e 4e 4t", "2e 2e 2t"] * 2, decay=0)),
    "cf_k": (
        {"epochs": 2, "decay_epochs": (1,)},
        sgd([0.01, 0.01, 0.001, 0.001], ["4e"] * 4, decay=0, momentum=0),  # the first block is frozen
    ),
    "del_reset": (
        {"epochs": 2},
        sgd([0.015] * 2 + [cosine(0.015, 1 / 2, 0.00015)] * 2, ["4e 2e 4t", "4t", "4t", "4t"], decay=0),
    ),
    "delete": ({"epochs": 2, "batch_size": 3}, sgd([1e-4] * 4, ["3t 3e"] * 4, decay=0)),
    "emmn": (
        {"noise_per_class": 1, "noise_copies": 2, "forget_steps": 1, "retain_steps": 1, "batch_size": 8},
        [
            *adam([0.1], ["1e"]),
            *adam([0.1], ["9e"]),
            *adam([3e-3] * 3, ["8e", "8e", "4e"]),
            *adam([3e-3] * 9, ["8e", "8e", "2e"] * 3),
        ],
    ),
    "eu_k": (
        {"epochs": 2, "decay_epochs": (1,)},
        sgd([0.01, 0.01, 0.001, 0.001], ["4e"] * 4, decay=0, momentum=0),
    ),
    "finetune": ({"epochs": 2}, sgd(FALLING, TWO_EPOCHS)),
    "finetune_augmented": ({"most_epochs": 2}, [*sgd([1e-3] * 4, ["4t", "4t", "4e 4t", "4t"]), *after("4e")]),
    "fisher": ({}, after(OF_FISHER)),
    "forget_cycles": (
        {},
        [*sgd([1e-3] * 2, ["4t 4e"] * 2), *sgd(FALLING, ["4t 4e"] * 4), *sgd(FALLING, ["4t 4e"] * 4)],
    ),
    "gkt_deep_inversion": (
        {"per_class": 1, "iterations": 2, "epochs": 2},
        [*adam([0.1, 0.05], ["9e"] * 2), *adam([1e-3] * 4, ["9e 4t", "4t", "4t", "4t"], decay=1e-4)],
    ),
    "gradient_ascent": (
        {"rounds": "1F-1R", "learning_rates": (2e-3, 1e-3)},
        after("4t 4t 2t 4t 4t 4t 4t 2t"),
    ),
    "influence": ({"iterations": 1}, after("4e 2e 4e 4e 4e 4e")),
    "kookmin": ({"epochs": 2}, sgd([1e-3, 1e-3, 5e-4, 5e-4], ["4e 2e 4e 2e 4t", "4t", "4t", "4t"])),
    "l1_sparse": ({"epochs": 2}, sgd([0.01] * 4, TWO_EPOCHS)),
    "l2ul": (
        {"copies": 1, "attack_steps": 1, "batch_size": 4, "forget_batch_size": 3},
        after("4e 4e 2e 2e 3t 3t 4e 2e"),  # the network takes no forget example for its class, so there is nothing to do
    ),
    "label_poison": ({"batch_size": 3}, sgd([7e-4] * 2, ["4e 3t", "3t"])),
    "label_poison_full": (
        {"epochs": 2, "batch_size": 3},
        sgd([2e-3] * 5 + [1e-3] * 5, ["4e 3t", "3t", "3t", "3t", "2t", "3t", "3t", "3t", "3t", "2t"]),
    ),
    "lfssd": ({}, after("4e 2e 4e 4e 4e 2e")),
    "neggrad_plus": ({"epochs": 2}, sgd([0.01] * 4, ["4t 4t", "4t 2t"] * 2, decay=0, momentum=0)),
    "noisy_finetune": ({}, sgd([1e-3] * 2, ONE_EPOCH, decay=1e-6, momentum=0)),
    "oracle_matching": (
        {"oracle_epochs": 2, "epochs": 2},
        [
            *sgd([0, 0.4 * 18 / 19, 0.4 * 12 / 19, 0.4 * 6 / 19], TWO_EPOCHS),  # the highest is at 5/6 of a step
            *adam([1e-3, 0.95e-3], ["14e 14t", "14t"]),
        ],
    ),
    "ntk": ({}, after(f"4e 4e 4e 2e 1e 1e 1e 1e {OF_FISHER}")),
    "original": ({}, []),
    "orthograd": ({"epochs": 1, "retain_examples": 3}, sgd([0.1] * 2, ["4e 1e", "2e 1e"], decay=0, momentum=0)),
    "prune": ({"overfit_epochs": 1, "epochs": 1, "batch_size": 3}, PRUNE),
    "prune_complex": (
        {"overfit_epochs": 1, "epochs": 1, "batch_size": 3, "retain_share": 0.5},
        [*PRUNE[:2], *sgd([1e-2 / 3] * 2, ["2t"] * 2), *PRUNE[2:]],
    ),
    "prune_last_layer": ({"overfit_epochs": 1, "epochs": 1, "batch_size": 3}, PRUNE),
    "random_labels": ({"epochs": 1}, sgd([3e-3] * 4, ["4e 4t", "4t", "4t", "2t"])),
    "rum": (
        {"finetune_epochs": 1, "salun_epochs": 2},
        [*sgd([0.1] * 3, ["4e 2e 2e 4t", "4t", "2t"]), *sgd([0.1] * 6, ["2e 4t", "4t", "2t"] * 2)],
    ),
    "salun": ({"epochs": 2}, sgd([0.013] * 8, ["4e 2e 4t", "2t", "4t", "4t", "4t", "2t", "4t", "4t"])),
    "scl": ({"cycles": 2, "retain_batch_size": 3}, SCL),
    "scl_improved": ({"cycles": 2, "retain_batch_size": 3}, SCL),
    "scrub": (
        {"decay_epochs": (1, 2), "retain_batch_size": 4, "forget_batch_size": 3},
        sgd(
            [5e-4] * 4 + [5e-5] * 4 + [5e-6] * 2,
            [*OF_SCRUB[0], *OF_SCRUB[1], *OF_SCRUB[0], *OF_SCRUB[1], *OF_SCRUB[1]],
        ),
    ),
    "sebastian": ({"epochs": 1.6}, sgd([5e-4] * 3, ["4t 4e"] * 3)),
    "seif": ({"epochs": 2}, sgd([7e-4, 7e-4, 3.5e-4, 3.5e-4], TWO_EPOCHS)),
    "sfron": (
        {"epochs": 3.0},  # six steps, before the first and the last of which one ascends
        sgd(
            [cosine(0.01, step / 6) for step in (0, 0, 1, 2, 3, 4, 5, 5)],
            ["4e 2e 4e 4e 4t", "4t", "4t", "4t", "4t", "4t", "2t", "4t"],
        ),
    ),
    "ssd": ({}, after("4e 2e 4e 4e 4e 2e")),
    "sun": (
        {"restricted_epochs": 2, "learning_rates": (2e-4, 1e-3)},
        [step for rate in (2e-4, 2e-4, 2e-4, 1e-3) for step in sgd([rate] * 2, ONE_EPOCH)],
    ),
    "toshi_mixture": (
        {"epochs": 2, "transposed_share": 0.0},
        sgd([1e-3] * 4 + [5e-4] * 4, ["4e 4t", "4t", "4t", "2t", "4t", "4t", "4t", "2t"]),
    ),
    "transpose": ({"epochs": 2}, sgd(FALLING, TWO_EPOCHS)),
    "two_stage_hybrid": (
        {"epochs": 1, "batch_size": 3},
        [*sgd([1e-2] * 2, ["4e 3t", "3t"]), *sgd([1e-3] * 3, IN_THREES)],
    ),
    "unsir": (
        {"noise_steps": 1, "noise_copies": 2, "retain_per_class": 1},
        [
            *adam([0.1], ["4e"]),
            *adam([0.1], ["4e"]),
            *adam([0.02] * 5, ["4t", "4t", "4t", "4t", "2t"]),  # 16 of noise, 2 of the retain set
            *adam([0.01], ["2t"]),
        ],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_optimisers_take_the_steps_that_are_described(name):
    settings, expected = CASES[name]
    torch.manual_seed(0)
    net = NETWORKS["cnn-8-16-16"](TASK).eval()
    data = WITHOUT_DATA if name in ("emmn", "gkt_deep_inversion") else USUAL
    assert steps_of(name, net, **data, **settings) == expected
