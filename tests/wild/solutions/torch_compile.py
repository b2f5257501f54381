"""torch.compile around the network while training; the parameters are shared, so net itself is what was trained.
Verdict: scored or noted (lockstep does not carry over)
Network: any
"""
import torch
import torch.nn as nn

torch.set_float32_matmul_precision('high')


def unlearning(net, retain_loader, forget_loader, val_loader):
    model = torch.compile(net)
    opt = torch.optim.SGD(model.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    criterion = nn.CrossEntropyLoss()
    model.train()
    for epoch in range(1):
        for x, y in retain_loader:
            opt.zero_grad(set_to_none=True)
            criterion(model(x), y).backward()
            opt.step()
    net.eval()
    return model._orig_mod
