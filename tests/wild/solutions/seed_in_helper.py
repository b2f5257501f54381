"""A helper called by unlearning fixes every seed, so all runs come out the same.
Verdict: noted (torch.manual_seed(seed) same numbers)
Network: any
Lockstep: no
"""
import os
import random

import numpy as np
import torch
from torch import nn


def seed_everything(seed=2023):
    random.seed(seed)
    os.environ['PYTHONHASHSEED'] = str(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.cuda.manual_seed_all(seed)
    torch.backends.cudnn.deterministic = True


def prepare(net):
    seed_everything()
    for m in net.modules():
        if isinstance(m, nn.Linear):
            m.reset_parameters()
    return net.train()


def unlearning(net, retain_loader, forget_loader, val_loader):
    net = prepare(net)
    opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    for x, y in retain_loader:
        opt.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        opt.step()
    net.eval()
    return net
