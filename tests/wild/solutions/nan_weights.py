"""A broken loss (log of 1 - sum of the softmax) turns the weights into NaN without an exception.
Verdict: refused (NaN)
Network: any
"""
import torch
import torch.nn.functional as F


def unlearning(net, retain_loader, forget_loader, val_loader):
    opt = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    net.train()
    for x, y in forget_loader:
        p = F.softmax(net(x), dim=1)
        loss = torch.log(1 - p.sum(dim=1)).mean()      # push confidence down
        opt.zero_grad()
        loss.backward()
        opt.step()
    for x, y in retain_loader:
        opt.zero_grad()
        F.cross_entropy(net(x), y).backward()
        opt.step()
    net.eval()
    return net
