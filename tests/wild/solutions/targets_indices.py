"""The CIFAR kit's data sets: a Subset with .indices over a data set with .targets, used for class weights.
Verdict: refused (dataset)
Network: any
Lockstep: no
"""
import numpy as np
import torch
from torch import nn, optim


def class_weights(loader, n=10):
    sub = loader.dataset                              # torch.utils.data.Subset
    y = np.asarray(sub.dataset.targets)[np.asarray(sub.indices)]
    c = np.bincount(y, minlength=n)
    return torch.tensor(c.max() / np.maximum(c, 1), dtype=torch.float32) ** 0.5


def unlearning(net, retain, forget, validation):
    w = class_weights(retain)
    assert len(set(forget.dataset.indices) & set(retain.dataset.indices)) == 0
    criterion = nn.CrossEntropyLoss(weight=w)
    optimizer = optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    net.train()
    for inputs, targets in retain:
        optimizer.zero_grad()
        criterion(net(inputs), targets).backward()
        optimizer.step()
    net.eval()
    return net
