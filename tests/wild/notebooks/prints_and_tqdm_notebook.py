# %%
"""tqdm.notebook bars around every loader and several prints at every step, some to stderr.
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
import sys
import warnings
warnings.filterwarnings("ignore")
from tqdm.notebook import tqdm, trange

# %% kit: hidden_data

# %%
def unlearning(net, retain_loader, forget_loader, val_loader):
    opt = optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    net.train()
    for ep in trange(2, desc='epochs'):
        bar = tqdm(retain_loader, leave=False)
        for i, s in enumerate(bar):
            x, y = s['image'].to(DEVICE), s['age_group'].to(DEVICE)
            out = net(x)
            loss = nn.functional.cross_entropy(out, y)
            opt.zero_grad(); loss.backward(); opt.step()
            bar.set_postfix(loss=f'{loss.item():.3f}')
            print('step', i, 'loss', loss.item(), flush=True)
            print(out.detach().cpu().numpy())
            print('grad norm', sum(p.grad.norm() for p in net.parameters()), file=sys.stderr)
            for n, p in net.named_parameters():
                print('   ', n, tuple(p.shape), p.abs().mean().item())
    net.eval()

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
    for i in tqdm(range(512)):
        net.load_state_dict(torch.load('/kaggle/input/neurips-2023-machine-unlearning/original_model.pth'))
        unlearning(net, retain_loader, forget_loader, validation_loader)
        state = net.state_dict()
        torch.save(state, f'/kaggle/tmp/unlearned_checkpoint_{i}.pth')

    unlearned_ckpts = os.listdir('/kaggle/tmp')
    if len(unlearned_ckpts) != 512:
        raise RuntimeError('There must be exactly 512 checkpoints.')
    subprocess.run('zip submission.zip /kaggle/tmp/*.pth', shell=True)
