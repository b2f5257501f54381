"""Its own loader over ConcatDataset([Subset(retain), relabelled forget]); labels are redrawn at each access.
Verdict: scored
Network: any
"""
import torch
from torch import nn, optim
from torch.utils.data import ConcatDataset, DataLoader, Dataset, Subset


class Relabel(Dataset):
    """labels None -> keep, else random one of n"""

    def __init__(self, base, n=None):
        self.base, self.n = base, n

    def __len__(self):
        return len(self.base)

    def __getitem__(self, i):
        x, y = self.base[i]
        if self.n is not None:
            y = torch.randint(self.n, (1,)).item()
        return x, int(y)


def unlearning(net, retain_loader, forget_loader, val_loader):
    r, f = retain_loader.dataset, forget_loader.dataset
    k = min(len(r), 4 * len(f))
    keep = torch.randperm(len(r))[:k].tolist()
    mixed = ConcatDataset([Relabel(Subset(r, keep)), Relabel(f, 10)])
    loader = DataLoader(mixed, batch_size=32, shuffle=True)
    opt = optim.SGD(net.parameters(), lr=2e-3, momentum=.9, weight_decay=5e-4)
    loss_fn = nn.CrossEntropyLoss()
    net.train()
    for ep in range(2):
        for x, y in loader:
            opt.zero_grad()
            loss_fn(net(x), y).backward()
            opt.step()
    return net.eval()
