"""Switches augmentation on by assigning .transform of the innermost data set; nothing fails where the data set has none.
Verdict: refused (setting 'transform' would change nothing)
Network: any
"""
import torch
import torch.nn as nn
from torchvision import transforms as T

AUG = T.Compose([
    T.RandomCrop(32, padding=4),
    T.RandomHorizontalFlip(),
    T.ToTensor(),
    T.Normalize((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
])


def unlearning(net, retain_loader, forget_loader, val_loader):
    ds = retain_loader.dataset
    while hasattr(ds, 'dataset'):
        ds = ds.dataset
    ds.transform = AUG

    opt = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=.9, weight_decay=5e-4)
    net.train()
    for ep in range(2):
        for x, y in retain_loader:
            opt.zero_grad()
            nn.functional.cross_entropy(net(x), y).backward()
            opt.step()
    net.eval()
    return net
