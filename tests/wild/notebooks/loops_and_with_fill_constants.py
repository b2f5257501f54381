# %%
"""Constants that unlearning uses are filled by for loops, with blocks, an if/else and a json file written and read back.
Verdict: refused (open reads a file)
Network: any
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

import json

# %% kit: hidden_data

# %%
EPOCHS = 2
LRS = []
for e in range(EPOCHS):
    LRS.append(2e-3 * 0.5 ** e)

cfg = {}
for k, v in [('momentum', 0.9), ('wd', 5e-4), ('temp', 2.0)]:
    cfg[k] = v

with torch.no_grad():
    UNIFORM = torch.full((1, 10), 0.1)

if torch.cuda.is_available():
    FORGET_STEPS = 4
else:
    FORGET_STEPS = 2

# %%
with open('cfg.json', 'w') as f:
    json.dump({'alpha': 0.2}, f)
with open('cfg.json') as f:
    cfg.update(json.load(f))
print(cfg)

# %%
def unlearning(net, retain_loader, forget_loader, val_loader):
    opt = optim.SGD(net.parameters(), lr=LRS[0], momentum=cfg['momentum'], weight_decay=cfg['wd'])
    net.train()
    it = iter(forget_loader)
    for _ in range(FORGET_STEPS):
        b = next(it, None)
        if b is None: break
        logp = torch.log_softmax(net(b['image'].to(DEVICE)) / cfg['temp'], dim=1)
        loss = cfg['alpha'] * nn.functional.kl_div(logp, UNIFORM.to(DEVICE).expand_as(logp), reduction='batchmean')
        opt.zero_grad(); loss.backward(); opt.step()
    for lr in LRS:
        for g in opt.param_groups:
            g['lr'] = lr
        for b in retain_loader:
            loss = nn.functional.cross_entropy(net(b['image'].to(DEVICE)), b['age_group'].to(DEVICE))
            opt.zero_grad(); loss.backward(); opt.step()
    net.eval()

# %% kit: submission_loop
