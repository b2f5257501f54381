"""NegGrad+ over zip(retain, itertools.cycle(forget)), in place, returns None.
Verdict: scored
Network: any
"""
import itertools

import torch
import torch.nn.functional as F
import torch.optim as optim

ALPHA = 0.97


def unlearning(net, retain, forget, validation):
    """NegGrad+ (Kurmanji et al.): alpha*CE(retain) - (1-alpha)*CE(forget)"""
    device = next(net.parameters()).device
    optimizer = optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)

    net.train()
    for epoch in range(1):
        for (xr, yr), (xf, yf) in zip(retain, itertools.cycle(forget)):
            xr, yr, xf, yf = xr.to(device), yr.to(device), xf.to(device), yf.to(device)
            loss = ALPHA * F.cross_entropy(net(xr), yr) - (1 - ALPHA) * F.cross_entropy(net(xf), yf)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    net.eval()
