# %%
"""Teacher by deepcopy; conv1 and fc reset; warm-up by KL on validation images, then CE + soft CE + KL on retain data, by ResNet layer names.
Verdict: scored
Network: resnet
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
import copy
import torch.nn.functional as F

# %% kit: hidden_data

# %%
T = 5.

def soft_ce(s, t):
    return -(F.softmax(t / T, 1) * F.log_softmax(s / T, 1)).sum(1).mean()

def kd(s, t):
    return F.kl_div(F.log_softmax(s / T, dim=1), F.softmax(t / T, dim=1), reduction='batchmean')

def unlearning(net, retain_loader, forget_loader, val_loader):
    teacher = copy.deepcopy(net)
    teacher.eval()
    net.conv1.reset_parameters()
    nn.init.xavier_normal_(net.fc.weight); nn.init.zeros_(net.fc.bias)

    opt = optim.Adam(net.parameters(), lr=9e-4)
    net.train()
    for s in val_loader:
        x = s['image'].to(DEVICE)
        with torch.no_grad():
            t = teacher(x)
        opt.zero_grad(); kd(net(x), t).backward(); opt.step()

    opt = optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    sched = optim.lr_scheduler.CosineAnnealingLR(opt, T_max=2)
    for _ in range(2):
        for s in retain_loader:
            x, y = s['image'].to(DEVICE), s['age_group'].to(DEVICE)
            with torch.no_grad():
                t = teacher(x)
            o = net(x)
            loss = F.cross_entropy(o, y) + soft_ce(o, t) + kd(o, t)
            opt.zero_grad(); loss.backward(); opt.step()
        sched.step()
    net.eval()

# %% kit: submission_loop
