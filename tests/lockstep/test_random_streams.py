"""What a solution draws for K models at once is what it would draw for each alone."""

import dataclasses

import pytest
import torch
from torch import bernoulli, multinomial, nn, rand, rand_like, randint, randint_like, randn, randn_like, randperm
from torch.nn import functional as F
from torch.nn.init import kaiming_normal_, kaiming_uniform_, uniform_
from torch.utils.data import DataLoader, SequentialSampler, WeightedRandomSampler

from starting_kit import tasks
from starting_kit.errors import RunError
from starting_kit.loaders import loaders
from starting_kit.lockstep.random_streams import StackedExamples, drawing_by_member, stack_loaders

TASK = tasks.find("digits")
DATA = TASK.load()
MODELS = 3


def together(function, data=(DATA,) * MODELS):
    """A function's tensors for K models, given their loaders, cut into each model's."""
    generators = [torch.Generator().manual_seed(seed) for seed in range(MODELS)]
    of_models = [loaders(TASK, own, "tuple") for own in data]
    torch.manual_seed(99)
    with drawing_by_member(generators):
        tensors = function(*stack_loaders(of_models, generators), MODELS)
    return [[tensor.chunk(MODELS)[k] for tensor in tensors] for k in range(MODELS)]


def alone(function, data=(DATA,) * MODELS):
    """The same, called once for each model."""
    results = []
    for seed, own in enumerate(data):
        torch.manual_seed(seed)
        results.append(function(*loaders(TASK, own, "tuple"), 1))
    return results


def assert_same(function, data=(DATA,) * MODELS):
    for ours, expected in zip(together(function, data), alone(function, data), strict=True):
        for a, b in zip(ours, expected, strict=True):
            assert torch.equal(a, b)


def flat(batches):
    return [tensor for batch in batches for tensor in batch]


ITERATIONS = {
    "two epochs": lambda retain, forget, validation, models: flat([*retain, *retain]),
    "in turns": lambda retain, forget, validation, models: flat(b for pair in zip(retain, forget, strict=False) for b in pair),
    "the first batch only": lambda retain, forget, validation, models: flat([next(iter(retain)), *forget]),
    "a loader of its own": lambda retain, forget, validation, models: flat(DataLoader(retain.dataset, 100, shuffle=True)),
    "the last batch dropped": lambda retain, forget, validation, models: flat(
        DataLoader(retain.dataset, 100, shuffle=True, drop_last=True)
    ),
    "in order": lambda retain, forget, validation, models: flat(
        DataLoader(retain.dataset, 50, sampler=SequentialSampler(retain.dataset))
    ),
    "weighted": lambda retain, forget, validation, models: flat(
        DataLoader(retain.dataset, 50, sampler=WeightedRandomSampler(range(1, 361), 200))
    ),
}


@pytest.mark.parametrize("iterate", ITERATIONS.values(), ids=ITERATIONS)
def test_batches_are_those_that_each_model_gets_alone(iterate):
    assert_same(iterate)


def test_models_may_have_data_of_their_own():
    data = [dataclasses.replace(DATA, labels=(DATA.labels + k) % 10, images=DATA.images + k) for k in range(MODELS)]
    assert_same(ITERATIONS["in turns"], data)


def filled(fill):
    def draw(retain, forget, validation, models):
        tensors = [torch.zeros(models * 8), torch.zeros(models * 40, 3), laid_out_for(models, torch.zeros(models * 8, 4, 3, 3))]
        for tensor in tensors[1:] if getattr(fill, "__module__", "") == "torch.nn.init" else tensors:  # those want two axes
            fill(tensor)
        return tensors

    return draw


def laid_out_for(models, weight):
    """As the weights of a stacked network are laid out; the values must not depend on it."""
    return weight.to(memory_format=torch.contiguous_format if models == 1 else torch.channels_last)


def drawn(draw):
    return lambda retain, forget, validation, models: [torch.as_tensor(draw(models)) for _ in range(2)]


DRAWS = {
    "rand": drawn(lambda models: torch.rand(models * 5, 2)),
    "randn with a tuple": drawn(lambda models: torch.randn((models * 40, 2))),
    "randn with size=": drawn(lambda models: torch.randn(size=(models * 5,))),
    "randint": drawn(lambda models: torch.randint(10, (models * 5,))),
    "randint from to": drawn(lambda models: torch.randint(2, 5, size=(models * 5,))),
    "randint low high": drawn(lambda models: torch.randint(low=2, high=5, size=(models * 5,))),
    "rand_like": drawn(lambda models: torch.rand_like(torch.ones(models * 5, 3))),
    "randn_like channels_last": drawn(
        lambda models: torch.randn_like(laid_out_for(models, torch.ones(models * 5, 3, 4, 4))).contiguous()
    ),
    "randint_like": drawn(lambda models: torch.randint_like(torch.ones(models * 5), 10)),
    "bernoulli": drawn(lambda models: torch.bernoulli(torch.full((models * 5, 3), 0.5))),
    "multinomial": drawn(lambda models: torch.multinomial(torch.ones(models * 5, 9), 3)),
    "normal_": filled(lambda weight: weight.normal_()),
    "uniform_": filled(lambda weight: weight.uniform_(-1, 1)),
    "random_": filled(lambda weight: weight.random_(10)),
    "bernoulli_": filled(lambda weight: weight.bernoulli_(0.3)),
    "exponential_": filled(lambda weight: weight.exponential_()),
    "kaiming": filled(nn.init.kaiming_uniform_),
    "truncated normal": filled(nn.init.trunc_normal_),
    "initial normal": filled(lambda weight: nn.init.normal_(weight, std=2)),
    "initial uniform": filled(lambda weight: nn.init.uniform_(tensor=weight, a=-1, b=1)),
    "gumbel_softmax": drawn(lambda models: F.gumbel_softmax(torch.ones(models * 5, 3), tau=0.5)),
    # What a solution has imported by name.
    "rand by name": drawn(lambda models: rand(models * 5, 2)),
    "randn by name": drawn(lambda models: randn((models * 40, 2))),
    "randint by name": drawn(lambda models: randint(10, (models * 5,))),
    "rand_like by name": drawn(lambda models: rand_like(torch.ones(models * 5, 3))),
    "randn_like by name": drawn(lambda models: randn_like(torch.ones(models * 5, 3))),
    "randint_like by name": drawn(lambda models: randint_like(torch.ones(models * 5), 10)),
    "bernoulli by name": drawn(lambda models: bernoulli(torch.full((models * 5, 3), 0.5))),
    "multinomial by name": drawn(lambda models: multinomial(torch.ones(models * 5, 9), 3)),
    "randperm by name": drawn(lambda models: torch.arange(12).repeat(models)[randperm(12 * models)]),
    "a method by name": filled(torch.Tensor.normal_),
    "initial uniform by name": filled(uniform_),
    "kaiming by name": filled(kaiming_uniform_),
    "kaiming normal by name": filled(kaiming_normal_),
}


@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_random_tensors_are_those_that_each_model_draws_alone(draw):
    assert_same(draw)


def test_a_permutation_moves_examples_within_their_model():
    labels = torch.arange(12)

    def shuffle(retain, forget, validation, models):
        return [labels.repeat(models)[torch.randperm(12 * models)]]

    assert_same(shuffle)


LAYERS = {
    "a linear layer": lambda width: nn.Linear(6, 4 * width),
    "a convolution": lambda width: nn.Conv2d(3, 4 * width, 3),
}


@pytest.mark.parametrize("layer", LAYERS.values(), ids=LAYERS)
def test_new_weights_of_a_layer_are_those_that_each_model_draws_alone(layer):
    def reset(retain, forget, validation, models):
        made = layer(models)
        made.reset_parameters()
        assert all(weight.requires_grad and weight.is_leaf for weight in made.parameters())
        return [weight.detach() for weight in made.parameters()]

    assert_same(reset)


def test_weights_that_want_gradients_cannot_be_filled_in_place_here_either():
    weight = nn.Parameter(torch.zeros(6, 2))
    with drawing_by_member([torch.Generator()] * 3), pytest.raises(RuntimeError, match="modified inplace"):
        weight.normal_()


def test_draws_and_batches_come_in_the_same_order():
    def mixed(retain, forget, validation, models):
        return [*flat(forget), torch.randn(models * 4), *flat(forget), torch.randn(models * 20)]

    assert_same(mixed)


def test_a_generator_of_ones_own_and_single_numbers_are_left_alone():
    generator = torch.Generator().manual_seed(4)
    expected = torch.rand(6, generator=generator.manual_seed(4))
    with drawing_by_member([torch.Generator(), torch.Generator(), torch.Generator()]):
        assert torch.equal(torch.rand(6, generator=generator.manual_seed(4)), expected)
        torch.manual_seed(1)
        one = torch.rand(())
        four = torch.rand(4)  # not for three models
    torch.manual_seed(1)
    assert torch.equal(torch.rand(()), one)
    assert torch.equal(torch.rand(4), four)


def test_an_example_is_no_single_models():
    generators = [torch.Generator()] * 2
    retain, _, _ = stack_loaders([loaders(TASK, DATA, "tuple")] * 2, generators)
    assert isinstance(retain.dataset, StackedExamples)
    assert len(retain.dataset) == len(DATA.retain)
    assert len(retain) == len(loaders(TASK, DATA, "tuple")[0])
    with pytest.raises(RunError, match="one by one"):
        retain.dataset[0]
