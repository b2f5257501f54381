"""SWA: AveragedModel, SWALR, update_bn; hands back swa.module, not the net it was given.
Verdict: scored
Network: any
"""
import torch
from torch import nn
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn


def unlearning(net, retain_loader, forget_loader, val_loader):
    opt = torch.optim.SGD(net.parameters(), lr=5e-3, momentum=0.9, weight_decay=5e-4)
    swa = AveragedModel(net)
    sched = SWALR(opt, swa_lr=2e-3, anneal_epochs=1)
    ce = nn.CrossEntropyLoss()
    net.train()
    for epoch in range(2):
        for step, (x, y) in enumerate(retain_loader):
            opt.zero_grad()
            ce(net(x), y).backward()
            opt.step()
            if step % 5 == 4:
                swa.update_parameters(net)
        swa.update_parameters(net)
        sched.step()
    update_bn(retain_loader, swa)
    out = swa.module
    out.eval()
    return out
