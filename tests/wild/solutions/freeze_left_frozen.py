"""Trains only the last linear layer; everything else is frozen and requires_grad is never switched back on.
Verdict: scored
Network: any
"""
import torch
from torch import nn


def unlearning(net, retain_loader, forget_loader, val_loader):
    head = [m for m in net.modules() if isinstance(m, nn.Linear)][-1]
    for p in net.parameters():
        p.requires_grad = False
    for p in head.parameters():
        p.requires_grad = True
    nn.init.kaiming_normal_(head.weight)
    nn.init.zeros_(head.bias)

    opt = torch.optim.SGD(filter(lambda p: p.requires_grad, net.parameters()), lr=0.05, momentum=0.9)
    ce = nn.CrossEntropyLoss()
    net.eval()        # BN statistics stay
    for _ in range(2):
        for x, y in retain_loader:
            opt.zero_grad()
            ce(net(x), y).backward()
            opt.step()
    return net
