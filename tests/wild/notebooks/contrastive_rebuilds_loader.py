# %%
"""The winner's shape: KL to uniform, then cycles of a forget round contrasting forget with retain logits and a retain round; the retain loader is rebuilt from .dataset with batches of 256.
Verdict: scored
Network: any
Lockstep: no
"""

# %%
import os
import subprocess

import pandas as pd
import torch
import torchvision
import torch.nn as nn
import torch.optim as optim
from torchvision.models import resnet18
from torch.utils.data import DataLoader, Dataset

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'
import torch.nn.functional as F
from torch.optim.lr_scheduler import CosineAnnealingLR

# %% kit: hidden_data

# %%
def kl_uniform(logits):
    u = torch.ones_like(logits) / logits.shape[1]
    return F.kl_div(F.log_softmax(logits, -1), u, reduction='batchmean')

def unlearning(net, retain_loader, forget_loader, val_loader):
    CYCLES, T = 2, 1.15
    big = DataLoader(retain_loader.dataset, batch_size=256, shuffle=True)
    opt_u = optim.SGD(net.parameters(), lr=0.005, momentum=0.9, weight_decay=0)
    opt_f = optim.SGD(net.parameters(), lr=3e-4, momentum=0.9, weight_decay=0)
    opt_r = optim.SGD(net.parameters(), lr=0.001 * 256 / 64, momentum=0.9, weight_decay=1e-2)
    sched = CosineAnnealingLR(opt_f, T_max=CYCLES * len(forget_loader), eta_min=1e-6)
    net.train()
    for s in forget_loader:
        opt_u.zero_grad()
        kl_uniform(net(s['image'].to(DEVICE))).backward()
        opt_u.step()
    for c in range(CYCLES):
        for f, r in zip(forget_loader, big):
            zf = net(f['image'].to(DEVICE))
            zr = net(r['image'].to(DEVICE)).detach()
            loss = -F.log_softmax(zf @ zr.T / T, dim=-1).mean()
            opt_f.zero_grad(); loss.backward(); opt_f.step(); sched.step()
        for r in big:
            loss = F.cross_entropy(net(r['image'].to(DEVICE)), r['age_group'].to(DEVICE))
            opt_r.zero_grad(); loss.backward(); opt_r.step()
    net.eval()

# %% kit: submission_loop
