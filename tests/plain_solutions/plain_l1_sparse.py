"""l1-sparse: fine-tune with an L1 penalty that falls linearly to 0."""

import torch
from torch.nn import functional as F


def unlearning(net, retain_loader, forget_loader, val_loader, *, epochs=3, learning_rate=0.01, alpha=1e-4):
    optimizer = torch.optim.SGD(net.parameters(), lr=learning_rate, momentum=0.9)
    net.train()
    for epoch in range(epochs):
        for batch in retain_loader:
            penalty = sum(weight.abs().sum() for weight in net.parameters())
            loss = F.cross_entropy(net(batch["image"]), batch["age_group"]) + alpha * (1 - epoch / epochs) * penalty
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return net
