"""L-BFGS with a closure on the first few retain batches.
Verdict: scored
Network: any
Lockstep: no
"""
import torch
from torch import nn

N_BATCH = 3      # more did not help


def unlearning(net, retain_loader, forget_loader, val_loader):
    dev = next(net.parameters()).device
    ce = nn.CrossEntropyLoss()
    opt = torch.optim.LBFGS(net.parameters(), lr=0.1, max_iter=4, history_size=5,
                            line_search_fn="strong_wolfe")
    net.train()
    for i, (x, y) in enumerate(retain_loader):
        if i == N_BATCH:
            break
        x, y = x.to(dev), y.to(dev)

        def closure():
            opt.zero_grad()
            l = ce(net(x), y)
            l.backward()
            return l

        opt.step(closure)
    net.eval()
    return net
