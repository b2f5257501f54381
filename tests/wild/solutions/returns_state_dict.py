"""Returns net.state_dict() in place of a network.
Verdict: refused (it must return a network)
Network: any
"""
import torch
import torch.nn as nn
from copy import deepcopy


def unlearning(net, retain_loader, forget_loader, val_loader):
    model = deepcopy(net)
    opt = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9)
    model.train()
    for x, y in retain_loader:
        opt.zero_grad()
        nn.CrossEntropyLoss()(model(x), y).backward()
        opt.step()
    return model.state_dict()
