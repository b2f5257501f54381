"""Noise on the weights from three generators: torch, numpy and Python's random.
Verdict: scored
Network: any
Lockstep: no
"""
import random

import numpy as np
import torch
import torch.nn as nn


def add_noise(net):
    with torch.no_grad():
        for name, p in net.named_parameters():
            if p.dim() == 4:
                p += 0.05 * p.std() * torch.randn_like(p)
            elif p.dim() == 2:
                eps = np.random.normal(0.0, 0.01, size=tuple(p.shape))
                p += torch.from_numpy(eps).to(p)
            elif random.random() < 0.5:
                p *= random.gauss(1.0, 0.03)


def unlearning(net, retain_loader, forget_loader, val_loader):
    add_noise(net)
    opt = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    loss_fn = nn.CrossEntropyLoss()
    net.train()
    for x, y in retain_loader:
        opt.zero_grad()
        loss = loss_fn(net(x), y)
        loss.backward()
        opt.step()
    net.eval()
