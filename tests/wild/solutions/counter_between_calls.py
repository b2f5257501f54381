"""A module-level counter: every other call takes another method, so calls depend on the ones before.
Verdict: noted (change read again _calls)
Network: any
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

_calls = 0


def _finetune(net, loader, lr):
    opt = torch.optim.SGD(net.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)
    net.train()
    for b in loader:
        x, y = (b['image'], b['age_group']) if isinstance(b, dict) else b
        opt.zero_grad()
        F.cross_entropy(net(x), y).backward()
        opt.step()


def unlearning(net, retain_loader, forget_loader, val_loader):
    global _calls
    _calls += 1
    if _calls % 2 == 0:
        # transpose kernels
        with torch.no_grad():
            for m in net.modules():
                if isinstance(m, nn.Conv2d) and m.kernel_size[0] == m.kernel_size[1]:
                    m.weight.copy_(m.weight.transpose(2, 3).clone())
        _finetune(net, retain_loader, 5e-3)
    else:
        _finetune(net, retain_loader, 1e-3)
    net.eval()
