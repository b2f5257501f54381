"""A teacher, and the loss of the student that imitates it."""

import copy

from torch import Tensor, nn
from torch.nn import functional as F


def distillation(logits: Tensor, teacher_logits: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(teacher‖student) of predictions at a temperature T, times T², the mean over a batch.

    Source: Hinton et al. 2015, https://arxiv.org/abs/1503.02531.
    """
    log_p, log_q = ((z / temperature).log_softmax(dim=1) for z in (logits, teacher_logits))
    return F.kl_div(log_p, log_q, reduction="batchmean", log_target=True) * temperature**2


def frozen_copy(net: nn.Module) -> nn.Module:
    """A copy in eval mode without gradients: the teacher of a distillation."""
    return copy.deepcopy(net).eval().requires_grad_(False)
