# %%
"""The method lives in a package attached as a Kaggle data set, put on sys.path; the notebook holds only a thin wrapper.
Verdict: refused (No module named munlearn_utils)
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
import sys
sys.path.append('/kaggle/input/munlearn-utils-v3/src')

# %%
from munlearn_utils.training import finetune_epoch
from munlearn_utils.noise import LayerNoise, default_schedule

# %% kit: hidden_data_of_another

# %%
def unlearning(net, retain_loader, forget_loader, val_loader):
    noise = LayerNoise(net, sigma=0.6, only=('conv1',))
    for lr, s in default_schedule(n=2):
        noise.apply(s)
        finetune_epoch(net, retain_loader, lr=lr, device=DEVICE)
    net.eval()

# %% kit: submission_loop
