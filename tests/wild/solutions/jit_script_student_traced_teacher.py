"""A traced teacher and a scripted student that shares the network's parameters; net itself is trained through it.
Verdict: scored or refused (torch.jit.script)
Network: any
"""
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F

T = 2.0


def unlearning(net, retain_loader, forget_loader, val_loader):
    x0 = next(iter(retain_loader))[0]
    teacher = torch.jit.trace(copy.deepcopy(net).eval(), x0)
    fast = torch.jit.script(net)
    fast.train()
    opt = torch.optim.SGD(fast.parameters(), lr=1e-3, momentum=0.9)
    for x, y in retain_loader:
        with torch.no_grad():
            t = F.softmax(teacher(x) / T, dim=1)
        s = fast(x)
        loss = F.cross_entropy(s, y) + F.kl_div(F.log_softmax(s / T, dim=1), t, reduction="batchmean")
        opt.zero_grad()
        loss.backward()
        opt.step()
    fast.eval()
    net.eval()
