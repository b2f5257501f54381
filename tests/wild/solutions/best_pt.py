"""Saves best.pt in the working directory after each better epoch and loads it at the end.
Verdict: scored
Network: any
Lockstep: no
"""
import os
import torch
import torch.nn as nn

CKPT = 'best.pt'


def acc(net, loader):
    net.eval()
    ok = n = 0
    with torch.no_grad():
        for b in loader:
            x, y = (b['image'], b['age_group']) if isinstance(b, dict) else (b[0], b[1])
            ok += (net(x).argmax(1) == y).sum().item()
            n += len(y)
    return ok / n


def unlearning(net, retain_loader, forget_loader, val_loader):
    best = -1
    opt = torch.optim.SGD(net.parameters(), lr=0.02, momentum=0.9)
    for ep in range(2):
        net.train()
        for b in retain_loader:
            x, y = (b['image'], b['age_group']) if isinstance(b, dict) else (b[0], b[1])
            opt.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            opt.step()
        a = acc(net, val_loader)
        print(f'epoch {ep} val acc {a:.4f}')
        if a > best:
            best = a
            torch.save({'model': net.state_dict(), 'acc': a, 'epoch': ep}, CKPT)
    ck = torch.load(CKPT)
    net.load_state_dict(ck['model'])
    os.remove(CKPT)
    net.eval()
