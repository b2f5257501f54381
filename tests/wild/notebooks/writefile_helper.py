# %%
"""A cell writes helper.py with %%writefile, later cells import from it what unlearning needs.
Verdict: scored
Network: any
"""

# %% kit: imports

# %%
%%writefile helper.py
import torch
import torch.nn as nn

LR = 2e-3


def reset_last(net):
    last = [m for m in net.modules() if isinstance(m, nn.Linear)][-1]
    last.reset_parameters()
    return last


def batches(loader, device):
    for b in loader:
        yield b['image'].to(device), b['age_group'].to(device)

# %%
import helper
from helper import batches, reset_last

# %% kit: hidden_data

# %%
def unlearning(net, retain_loader, forget_loader, val_loader):
    reset_last(net)
    opt = optim.SGD(net.parameters(), lr=helper.LR, momentum=0.9)
    net.train()
    for x, y in batches(retain_loader, DEVICE):
        opt.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        opt.step()
    net.eval()

# %% kit: submission_loop
