# %%
"""unlearning returns (student, losses) and the loop unpacks it: net, losses = unlearning(...); the student is saved.
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
from copy import deepcopy

# %% kit: hidden_data

# %%
def unlearning(net, retain_loader, forget_loader, val_loader):
    student = deepcopy(net)
    losses = []
    for m in student.modules():
        if isinstance(m, nn.Linear):
            m.reset_parameters()
    opt = optim.AdamW(student.parameters(), lr=1e-3)
    net.eval()
    student.train()
    for s in retain_loader:
        x = s['image'].to(DEVICE)
        with torch.no_grad():
            t = net(x).softmax(1)
        loss = nn.functional.cross_entropy(student(x), t)
        opt.zero_grad(); loss.backward(); opt.step()
        losses.append(loss.item())
    student.eval()
    return student, losses

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
        net, losses = unlearning(net, retain_loader, forget_loader, validation_loader)
        print(i, sum(losses) / len(losses))
        state = net.state_dict()
        torch.save(state, f'/kaggle/tmp/unlearned_checkpoint_{i}.pth')

    unlearned_ckpts = os.listdir('/kaggle/tmp')
    if len(unlearned_ckpts) != 512:
        raise RuntimeError('There must be exactly 512 checkpoints.')
    subprocess.run('zip submission.zip /kaggle/tmp/*.pth', shell=True)
