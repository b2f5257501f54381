# %%
"""The notebook builds its own loaders with three batch sizes: 128 retain, 16 forget, 256 validation.
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
from torch.utils.data import Dataset, DataLoader

DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'

# %%
# loading of the hidden data

def load_example(df_row):
    image = torchvision.io.read_image(df_row['image_path'])
    return {
        'image': image,
        'image_id': df_row['image_id'],
        'age_group': df_row['age_group'],
        'age': df_row['age'],
        'person_id': df_row['person_id'],
    }


class HiddenDataset(Dataset):
    """One split of the hidden data."""

    def __init__(self, split='train'):
        super().__init__()
        self.examples = []
        root = '/kaggle/input/neurips-2023-machine-unlearning'
        df = pd.read_csv(f'{root}/{split}.csv')
        df['image_path'] = df['image_id'].apply(
            lambda x: os.path.join(root, 'images', x.split('-')[0], x.split('-')[1] + '.png'))
        df = df.sort_values(by='image_path')
        df.apply(lambda row: self.examples.append(load_example(row)), axis=1)
        if len(self.examples) == 0:
            raise ValueError('No examples.')

    def __len__(self):
        return len(self.examples)

    def __getitem__(self, idx):
        example = self.examples[idx]
        example['image'] = example['image'].to(torch.float32)
        return example

# %%
def unlearning(net, retain_loader, forget_loader, val_loader):
    opt_f = optim.SGD(net.parameters(), lr=5e-4)
    opt_r = optim.SGD(net.parameters(), lr=2e-3, momentum=0.9, weight_decay=5e-4)
    net.train()
    for f in forget_loader:
        logp = net(f['image'].to(DEVICE)).log_softmax(-1)
        loss = -logp.mean()
        opt_f.zero_grad(); loss.backward(); opt_f.step()
    for r in retain_loader:
        loss = nn.functional.cross_entropy(net(r['image'].to(DEVICE)), r['age_group'].to(DEVICE))
        opt_r.zero_grad(); loss.backward(); opt_r.step()
    net.eval()

# %%
if os.path.exists('/kaggle/input/neurips-2023-machine-unlearning/empty.txt'):
    # mock submission
    subprocess.run('touch submission.zip', shell=True)
else:
    # checkpoints go outside the working directory, the disk there is small
    os.makedirs('/kaggle/tmp', exist_ok=True)
    retain_loader = DataLoader(HiddenDataset('retain'), batch_size=128, shuffle=True, drop_last=True)
    forget_loader = DataLoader(HiddenDataset('forget'), batch_size=16, shuffle=True)
    validation_loader = DataLoader(HiddenDataset('validation'), batch_size=256, shuffle=False)
    net = resnet18(weights=None, num_classes=10)
    net.to(DEVICE)
    for i in range(512):
        net.load_state_dict(torch.load('/kaggle/input/neurips-2023-machine-unlearning/original_model.pth'))
        unlearning(net, retain_loader, forget_loader, validation_loader)
        state = net.state_dict()
        torch.save(state, f'/kaggle/tmp/unlearned_checkpoint_{i}.pth')

    unlearned_ckpts = os.listdir('/kaggle/tmp')
    if len(unlearned_ckpts) != 512:
        raise RuntimeError('There must be exactly 512 checkpoints.')
    subprocess.run('zip submission.zip /kaggle/tmp/*.pth', shell=True)
