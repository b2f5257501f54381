"""The forget loader is the second parameter, but files are called with the retain loader there.
Verdict: refused (in the order in which they are given)
Network: any
"""
import torch


def unlearning(net, forget_loader, retain_loader, val_loader):
    opt = torch.optim.SGD(net.parameters(), lr=0.01)
    for x, y in forget_loader:
        opt.zero_grad()
        (-torch.nn.functional.cross_entropy(net(x), y)).backward()
        opt.step()
