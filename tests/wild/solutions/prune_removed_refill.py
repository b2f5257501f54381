"""Global L1 pruning of a copy, masks removed, holes refilled with fresh uniform weights, retain CE + entropy matching; returns the copy.
Verdict: scored
Network: any
Lockstep: no
"""
import math
from copy import deepcopy

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils import prune

AMOUNT, LR, EPOCHS = 0.6, 2e-3, 2


def H(logits):
    lp = F.log_softmax(logits, dim=-1)
    return -(lp.exp() * lp).sum(-1)


def prune_and_refill(model, amount):
    targets = [(m, "weight") for m in model.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    prune.global_unstructured(targets, pruning_method=prune.L1Unstructured, amount=amount)
    for m, name in targets:
        mask = getattr(m, name + "_mask").clone().bool()
        prune.remove(m, name)
        with torch.no_grad():
            fan_in = m.weight[0].numel()
            fresh = torch.empty_like(m.weight).uniform_(-1, 1) / math.sqrt(fan_in)
            m.weight.copy_(torch.where(mask, m.weight, fresh))
    return model


def unlearning(net, retain_loader, forget_loader, val_loader):
    original = net
    original.eval()
    model = prune_and_refill(deepcopy(net), AMOUNT)
    opt = torch.optim.SGD(model.parameters(), lr=LR, momentum=0.9, weight_decay=5e-4)
    model.train()
    for _ in range(EPOCHS):
        for x, y in retain_loader:
            with torch.no_grad():
                h0 = H(original(x))
            out = model(x)
            loss = F.cross_entropy(out, y) + F.mse_loss(H(out), h0)
            opt.zero_grad()
            loss.backward()
            opt.step()
    model.eval()
    return model
