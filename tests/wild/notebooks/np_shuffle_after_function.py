# %%
"""A module array that unlearning reads is shuffled in place by np.random.shuffle after the function, under a numpy seed at the top; a second shuffle touches data nobody uses.
Verdict: noted (np.random.seed(7) is left out)
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
import numpy as np
np.random.seed(7)

# %% kit: hidden_data

# %%
order = np.arange(10)          # age groups
N_RESET = 4

def unlearning(net, retain_loader, forget_loader, val_loader):
    rows = torch.as_tensor(order[:N_RESET].copy())
    with torch.no_grad():
        w = torch.empty_like(net.fc.weight)
        nn.init.kaiming_uniform_(w, a=5 ** 0.5)
        net.fc.weight[rows] = w[rows]
        net.fc.bias[rows] = 0
    opt = optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    net.train()
    for s in retain_loader:
        loss = nn.functional.cross_entropy(net(s['image'].to(DEVICE)), s['age_group'].to(DEVICE))
        opt.zero_grad(); loss.backward(); opt.step()
    net.eval()

# %%
np.random.shuffle(order)
print('classes reset in every run:', order[:N_RESET])

x = np.linspace(0, 1, 50)
np.random.shuffle(x)           # for the plot, dropped

# %% kit: submission_loop
