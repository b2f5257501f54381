"""Stops early on the validation loss (patience 1) and puts the best weights back.
Verdict: scored
Network: any
Lockstep: no
"""
import copy
import torch
import torch.nn as nn
import torch.optim as optim


@torch.no_grad()
def val_loss(net, loader, criterion):
    net.eval()
    tot, n = 0.0, 0
    for x, y in loader:
        tot += criterion(net(x), y).item() * y.size(0)
        n += y.size(0)
    return tot / max(n, 1)


def unlearning(net, retain_loader, forget_loader, val_loader, max_epochs=4, patience=1):
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    best, best_state, bad = float("inf"), copy.deepcopy(net.state_dict()), 0

    # break something first
    with torch.no_grad():
        for p in net.parameters():
            p.add_(torch.randn_like(p) * 0.02)

    for epoch in range(max_epochs):
        net.train()
        for x, y in retain_loader:
            optimizer.zero_grad()
            criterion(net(x), y).backward()
            optimizer.step()
        v = val_loss(net, val_loader, criterion)
        if v < best:
            best, bad = v, 0
            best_state = copy.deepcopy(net.state_dict())
        else:
            bad += 1
            if bad > patience:
                break
    net.load_state_dict(best_state)
    net.eval()
    return net
