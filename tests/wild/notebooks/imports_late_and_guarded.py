# %%
"""try/except imports, a name imported twice (the later import wins), and modules used by unlearning that are imported in a later cell.
Verdict: scored
Network: any
Lockstep: no
"""

# %%
import os, subprocess
from time import time
try:
    import timm
    from timm.utils import ModelEmaV2
    HAS_TIMM = True
except ImportError:
    HAS_TIMM = False
try:
    from kornia.augmentation import RandomErasing
except Exception as e:
    RandomErasing = None
    print('no kornia:', e)
import pandas as pd
import torch, torchvision
from torchvision.models import resnet18
from torch.utils.data import DataLoader, Dataset
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'

# %% kit: hidden_data

# %%
def unlearning(net, retain_loader, forget_loader, val_loader):
    t0 = time.time()
    opt = optim.SGD(net.parameters(), lr=1e-3, momentum=.9)
    net.train()
    for s in retain_loader:
        x = s['image'].to(DEVICE)
        if random.random() < .5:
            x = x.flip(-1)
        loss = F.cross_entropy(net(x), s['age_group'].to(DEVICE))
        opt.zero_grad(); loss.backward(); opt.step()
    net.eval()
    print('%.1f s' % (time.time() - t0))

# %%
import os
import time
import random
import torch
import torch.nn.functional as F
from torch import optim

# %% kit: submission_loop
