# %%
"""unlearning returns a dict and the loop saves out['model'].state_dict(), a copy that was trained; net stays as it was.
Verdict: scored
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
import copy

# %% kit: hidden_data_of_another

# %%
def unlearning(net, retain_loader, forget_loader, val_loader):
    model = copy.deepcopy(net)
    opt = optim.SGD(model.parameters(), lr=2e-3, momentum=.9, nesterov=True)
    model.train()
    steps = 0
    for s in retain_loader:
        opt.zero_grad()
        nn.functional.cross_entropy(model(s['image'].to(DEVICE)), s['age_group'].to(DEVICE)).backward()
        opt.step()
        steps += 1
    model.eval()
    return {'model': model, 'steps': steps, 'opt': opt.state_dict()}

# %%
if os.path.exists('/kaggle/input/neurips-2023-machine-unlearning/empty.txt'):
    # mock submission
    subprocess.run('touch submission.zip', shell=True)
else:
    # checkpoints go outside the working directory, the disk there is small
    os.makedirs('/kaggle/tmp', exist_ok=True)
    retain_loader, forget_loader, validation_loader = get_dataset(64)
    net = resnet18(weights=None, num_classes=10)
    net.to(DEVICE)
    for i in range(512):
        net.load_state_dict(torch.load('/kaggle/input/neurips-2023-machine-unlearning/original_model.pth'))
        out = unlearning(net, retain_loader, forget_loader, validation_loader)
        state = out['model'].state_dict()
        torch.save(state, f'/kaggle/tmp/unlearned_checkpoint_{i}.pth')

    unlearned_ckpts = os.listdir('/kaggle/tmp')
    if len(unlearned_ckpts) != 512:
        raise RuntimeError('There must be exactly 512 checkpoints.')
    subprocess.run('zip submission.zip /kaggle/tmp/*.pth', shell=True)
