"""NegGrad+: descend on retain batches and ascend on forget batches, weighted."""

from itertools import cycle

import torch
from torch.nn import functional as F


def unlearning(net, retain_loader, forget_loader, val_loader, *, epochs=2, learning_rate=0.01, alpha=0.95):
    optimizer = torch.optim.SGD(net.parameters(), lr=learning_rate, momentum=0.9, weight_decay=5e-4)
    net.train()
    for _ in range(epochs):
        for (images, labels), (forget_images, forget_labels) in zip(retain_loader, cycle(forget_loader), strict=False):
            optimizer.zero_grad()
            keep = F.cross_entropy(net(images), labels)
            forget = F.cross_entropy(net(forget_images), forget_labels)
            (alpha * keep - (1 - alpha) * forget).backward()
            optimizer.step()
    net.eval()
