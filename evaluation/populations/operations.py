"""Operations of an unlearning and of a retraining: their ratio is a cost that is the same on every machine.

Counted are additions and multiplications of matrix products and convolutions, forwards and backwards, by PyTorch's counter.
What goes through the weights one by one (a step of an optimiser, noise, pruning) counts nothing, nor does what others do.
Counting takes several times as long as the call alone, so that nothing is timed meanwhile.
"""

import dataclasses

from torch.utils.flop_counter import FlopCounterMode

from evaluation.metric.measured import Measured
from evaluation.populations.materials import load_data
from evaluation.populations.population import Population
from evaluation.populations.worker import train_alone, unlearn
from starting_kit.errors import SolutionError


def of_unlearning(unlearned: Population) -> Measured[int]:
    """Those of the unlearning of model 0; a reason where the solution does not work while they are counted."""
    try:
        with FlopCounterMode(display=False) as counter:
            unlearn(unlearned, 0, load_data(unlearned.task))
    except SolutionError as error:
        return Measured(reason=f"the solution fails while its operations are counted: {error}")
    return Measured(counter.get_total_flops())


def of_retraining(retrained: Population) -> Measured[int]:
    """Those of the first epoch, times the number of epochs; a reason where a solution's trainer may have none."""
    if retrained.trainer is not None:
        return Measured(reason="the operations of a solution's own trainer are not counted by epochs")
    task = retrained.task
    epoch = dataclasses.replace(task, recipe=dataclasses.replace(task.recipe, epochs=1))
    with FlopCounterMode(display=False) as counter:
        train_alone(retrained, epoch, retrained.model_seed(0), load_data(task).retain)
    return Measured(counter.get_total_flops() * task.recipe.epochs)
