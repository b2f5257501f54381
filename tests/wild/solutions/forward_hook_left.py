"""Registers a forward hook that adds noise to the logits and never removes it, so it is still active when the net is evaluated.
Verdict: noted (hook)
Network: any
"""
import torch
import torch.nn as nn

SIGMA = 0.3

def _noisy(module, inputs, output):
    return output + SIGMA * torch.randn_like(output)

def unlearning(net, retain_loader, forget_loader, val_loader):
    last = None
    for m in net.modules():
        if isinstance(m, nn.Linear):
            last = m
    last.register_forward_hook(_noisy)

    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    criterion = nn.CrossEntropyLoss()
    net.train()
    for inputs, targets in retain_loader:
        optimizer.zero_grad()
        loss = criterion(net(inputs), targets)
        loss.backward()
        optimizer.step()
    net.eval()
    return net
