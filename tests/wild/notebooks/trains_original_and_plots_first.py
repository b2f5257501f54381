# %%
"""Before the function the notebook trains the original model for 30 epochs at module level and draws plots; only unlearning is to be scored.
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
import matplotlib.pyplot as plt
import numpy as np

# %% kit: hidden_data

# %%
train_losses, val_accs = [], []
full = HiddenDataset('retain').examples + HiddenDataset('forget').examples
train_loader = DataLoader(full, batch_size=64, shuffle=True)
model = resnet18(weights=None, num_classes=10).to(DEVICE)
opt = optim.Adam(model.parameters(), lr=1e-4, weight_decay=5e-3)
for epoch in range(30):
    model.train()
    for s in train_loader:
        loss = nn.functional.cross_entropy(model(s['image'].float().to(DEVICE)), s['age_group'].to(DEVICE))
        opt.zero_grad(); loss.backward(); opt.step()
        train_losses.append(loss.item())
    print(f'epoch {epoch} {np.mean(train_losses[-50:]):.3f}')
torch.save(model.state_dict(), 'my_original.pth')

# %%
fig, ax = plt.subplots(1, 2, figsize=(12, 4))
ax[0].plot(train_losses)
ax[1].hist([s['age'] for s in full], bins=30)
plt.show()
LR = 10 ** np.mean([-3.5, -2.5])      # middle of the sweep, 1e-3

# %%
def unlearning(net, retain_loader, forget_loader, val_loader):
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=float(LR), momentum=0.9, weight_decay=5e-4)
    net.train()
    for sample in retain_loader:
        inputs, targets = sample['image'].to(DEVICE), sample['age_group'].to(DEVICE)
        optimizer.zero_grad()
        loss = criterion(net(inputs), targets)
        loss.backward()
        optimizer.step()
    net.eval()

# %% kit: submission_loop
