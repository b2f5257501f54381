"""Warm-restart cosine inside the epoch, then ReduceLROnPlateau fed with the validation loss.
Verdict: scored
Network: any
"""
from typing import Iterable

import torch
from torch import Tensor, nn
from torch.optim import SGD
from torch.optim.lr_scheduler import CosineAnnealingLR, CosineAnnealingWarmRestarts, ReduceLROnPlateau


class Trainer:
    def __init__(self, net: nn.Module, lr: float) -> None:
        self.net = net
        self.opt = SGD(net.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)
        self.ce = nn.CrossEntropyLoss()

    def step(self, x: Tensor, y: Tensor) -> float:
        self.opt.zero_grad()
        loss = self.ce(self.net(x), y)
        loss.backward()
        self.opt.step()
        return float(loss)

    @torch.no_grad()
    def evaluate(self, loader: Iterable) -> float:
        self.net.eval()
        losses = [float(self.ce(self.net(x), y)) for x, y in loader]
        self.net.train()
        return sum(losses) / len(losses)


def unlearning(net, retain_loader, forget_loader, val_loader):
    tr = Trainer(net, 5e-3)
    net.train()
    warm = CosineAnnealingWarmRestarts(tr.opt, T_0=max(1, len(retain_loader) // 2))
    for x, y in retain_loader:
        tr.step(x, y)
        warm.step()
    tr2 = Trainer(net, 2e-3)
    plateau = ReduceLROnPlateau(tr2.opt, mode="min", factor=0.1, patience=0)
    for _ in range(2):
        for x, y in retain_loader:
            tr2.step(x, y)
        plateau.step(tr2.evaluate(val_loader))
    net.eval()
