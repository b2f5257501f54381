"""Bad Teacher: KL to a re-initialised copy on forget data, to the original on a part of the retain data.
Verdict: scored
Network: any
"""
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F


def kl(student_logits, teacher_logits, temperature=1.0):
    return F.kl_div(F.log_softmax(student_logits / temperature, dim=1),
                    F.softmax(teacher_logits / temperature, dim=1), reduction='batchmean')


def reinit(m):
    if hasattr(m, 'reset_parameters'):
        m.reset_parameters()


def unlearning(net, retain_loader, forget_loader, val_loader):
    good = copy.deepcopy(net)
    bad = copy.deepcopy(net)
    bad.apply(reinit)
    for t in (good, bad):
        t.eval()
        t.requires_grad_(False)

    optimizer = torch.optim.Adam(net.parameters(), lr=1e-4)
    stop = max(1, int(0.3 * len(retain_loader)))
    net.train()
    for i, (x, _) in enumerate(retain_loader):
        if i >= stop:
            break
        optimizer.zero_grad()
        kl(net(x), good(x)).backward()
        optimizer.step()
    for x, _ in forget_loader:
        optimizer.zero_grad()
        kl(net(x), bad(x)).backward()
        optimizer.step()
    net.eval()
    return net
