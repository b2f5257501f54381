"""Rebuilds the retain loader with its own augmenting Dataset, a collate function and num_workers=2.
Verdict: scored
Network: any
"""
import random

import torch
from torch.utils.data import DataLoader, Dataset


class Jitter(Dataset):
    def __init__(self, base, sigma=0.05):
        self.base = base
        self.sigma = sigma

    def __len__(self):
        return len(self.base)

    def __getitem__(self, idx):
        img, label = self.base[idx]
        if random.random() < 0.3:
            img = torch.roll(img, shifts=random.choice([-1, 1]), dims=-1)
        return img + self.sigma * torch.randn(img.shape), int(label)


def collate(items):
    xs, ys = zip(*items)
    return torch.stack(xs), torch.tensor(ys)


def unlearning(net, retain_loader, forget_loader, val_loader):
    loader = DataLoader(Jitter(retain_loader.dataset), batch_size=48, shuffle=True, num_workers=2,
                        collate_fn=collate, drop_last=True, pin_memory=torch.cuda.is_available(),
                        persistent_workers=True)
    opt = torch.optim.SGD(net.parameters(), lr=2e-3, momentum=0.9, weight_decay=5e-4)
    net.train()
    for _ in range(2):
        for x, y in loader:
            opt.zero_grad()
            torch.nn.functional.cross_entropy(net(x), y).backward()
            opt.step()
    net.eval()
    return net
