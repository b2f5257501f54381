# %%
"""`unlearning` is never a def: it is an alias of a functools.partial of the author's own function.
Verdict: scored or noted (returns)
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
from functools import partial

# %% kit: hidden_data_of_another

# %%
def scrub_lite(net, retain_loader, forget_loader, val_loader, *, lr, alpha, T):
    import copy
    teacher = copy.deepcopy(net).eval()
    opt = optim.Adam(net.parameters(), lr=lr)
    kl = lambda a, b: nn.functional.kl_div((a / T).log_softmax(1), (b / T).softmax(1), reduction='batchmean')
    net.train()
    for s in forget_loader:                       # max step
        x = s['image'].to(DEVICE)
        with torch.no_grad(): t = teacher(x)
        opt.zero_grad(); (-kl(net(x), t)).backward(); opt.step()
    for s in retain_loader:                       # min step
        x, y = s['image'].to(DEVICE), s['age_group'].to(DEVICE)
        with torch.no_grad(): t = teacher(x)
        out = net(x)
        loss = nn.functional.cross_entropy(out, y) + alpha * kl(out, t)
        opt.zero_grad(); loss.backward(); opt.step()
    net.eval()

# %%
my_method = partial(scrub_lite, lr=2e-4, alpha=0.5, T=4.0)
unlearning = my_method

# %% kit: submission_loop
