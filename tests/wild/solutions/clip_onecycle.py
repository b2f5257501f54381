"""OneCycleLR stepped per batch (steps_per_epoch from len(loader)), gradient-norm clipping over all parameters.
Verdict: scored
Network: any
Lockstep: no
"""
import torch, torch.nn as nn
from torch.optim.lr_scheduler import OneCycleLR

def unlearning(net, retain_loader, forget_loader, val_loader):
    E = 2
    opt = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=.9)
    sch = OneCycleLR(opt, max_lr=1e-2, epochs=E, steps_per_epoch=len(retain_loader), pct_start=.3)
    lossf = nn.CrossEntropyLoss(label_smoothing=0.1)
    net.train()
    for e in range(E):
        for b in retain_loader:
            x, y = (b['image'], b['age_group']) if isinstance(b, dict) else (b[0], b[1])
            opt.zero_grad()
            lossf(net(x), y).backward()
            nn.utils.clip_grad_norm_(net.parameters(), max_norm=0.5)
            opt.step()
            sch.step()
    net.eval()
