"""Re-initialises layers drawn with random.sample (never the head), then repairs with MSE to the old logits.
Verdict: scored
Network: any
Lockstep: no
"""
import copy
import random

import torch
import torch.nn as nn
import torch.nn.functional as F


def unlearning(net, retain_loader, forget_loader, val_loader):
    teacher = copy.deepcopy(net).eval()
    for p in teacher.parameters():
        p.requires_grad_(False)

    pool = [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    pool = pool[:-1]                         # not the classifier
    if pool:
        for m in random.sample(pool, max(1, len(pool) // 3)):
            m.reset_parameters()

    opt = torch.optim.Adam(net.parameters(), lr=1e-3)
    sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=2)
    for ep in range(2):
        net.train()
        for batch in retain_loader:
            x = batch["image"] if isinstance(batch, dict) else batch[0]
            x = x + 0.01 * torch.randn_like(x)
            loss = F.mse_loss(net(x), teacher(x))
            opt.zero_grad()
            loss.backward()
            opt.step()
        sched.step()
    net.eval()
    return net
