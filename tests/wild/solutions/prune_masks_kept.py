"""l1_unstructured pruning of every conv, then fine-tuning; prune.remove is never called, masks stay in the net.
Verdict: noted (lockstep does not carry over)
Network: any
Lockstep: no
"""
import torch
import torch.nn as nn
import torch.nn.utils.prune as prune


def unlearning(net, retain_loader, forget_loader, val_loader):
    for n, m in net.named_modules():
        if isinstance(m, nn.Conv2d):
            prune.l1_unstructured(m, name='weight', amount=0.3)
    opt = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    crit = nn.CrossEntropyLoss()
    net.train()
    for ep in range(2):
        for x, y in retain_loader:
            opt.zero_grad()
            crit(net(x), y).backward()
            opt.step()
    # TODO prune.remove(m, 'weight') ?
    net.eval()
    return net
