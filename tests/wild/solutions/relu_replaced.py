"""Every nn.ReLU is replaced with a LeakyReLU (recursive setattr) before fine-tuning and stays replaced.
Verdict: noted (ReLU became)
Network: any
"""
import torch
import torch.nn as nn


def swap_relu(module):
    for name, child in module.named_children():
        if isinstance(child, nn.ReLU):
            setattr(module, name, nn.LeakyReLU(0.2))
        else:
            swap_relu(child)


def unlearning(net, retain_loader, forget_loader, val_loader):
    swap_relu(net)
    opt = torch.optim.SGD(net.parameters(), lr=2e-3, momentum=0.9, weight_decay=5e-4)
    ce = nn.CrossEntropyLoss()
    net.train()
    for x, y in retain_loader:
        opt.zero_grad()
        ce(net(x), y).backward()
        opt.step()
    net.eval()
    return net
