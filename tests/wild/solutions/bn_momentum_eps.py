"""BatchNorm: momentum lowered while training, and eps raised for good, which a state dict does not carry.
Verdict: noted (eps lockstep does not carry over)
Network: resnet
"""
import torch
import torch.nn as nn


def unlearning(net, retain_loader, forget_loader, val_loader):
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.momentum = 0.01
            m.eps = 0.05       # smoother
    net.train()
    opt = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    for sample in retain_loader:
        if isinstance(sample, dict):
            x, y = sample['image'], sample['age_group']
        else:
            x, y = sample
        opt.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        opt.step()
    net.eval()
