# %%
"""The CIFAR-10 starting kit: downloads, split by forget_idx.npy, plots, an attack, and ft_model = unlearning(ft_model, ...) with the net returned.
Verdict: scored or noted (generator)
Network: any
"""

# %% [markdown]
# # Starting kit, with noise
#
# $\theta \leftarrow \theta + \epsilon$, then fine-tune

# %%
import os
import requests
import matplotlib.pyplot as plt
import numpy as np
from sklearn import linear_model, model_selection
import torch
from torch import nn, optim
from torch.utils.data import DataLoader
import torchvision
from torchvision import transforms
from torchvision.models import resnet18

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
print("Running on device:", DEVICE.upper())
RNG = torch.Generator().manual_seed(42)

# %%
normalize = transforms.Compose([
    transforms.ToTensor(),
    transforms.Normalize((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
])
train_set = torchvision.datasets.CIFAR10(root="./data", train=True, download=True, transform=normalize)
train_loader = DataLoader(train_set, batch_size=128, shuffle=True, num_workers=2)
held_out = torchvision.datasets.CIFAR10(root="./data", train=False, download=True, transform=normalize)
test_set, val_set = torch.utils.data.random_split(held_out, [0.5, 0.5], generator=RNG)
test_loader = DataLoader(test_set, batch_size=128, shuffle=False, num_workers=2)
val_loader = DataLoader(val_set, batch_size=128, shuffle=False, num_workers=2)

local_path = "forget_idx.npy"
if not os.path.exists(local_path):
    r = requests.get("https://storage.googleapis.com/unlearning-challenge/" + local_path)
    open(local_path, "wb").write(r.content)
forget_idx = np.load(local_path)
mask = np.zeros(len(train_set.targets), dtype=bool)
mask[forget_idx] = True
forget_set = torch.utils.data.Subset(train_set, np.flatnonzero(mask))
retain_set = torch.utils.data.Subset(train_set, np.flatnonzero(~mask))
forget_loader = DataLoader(forget_set, batch_size=128, shuffle=True, num_workers=2)
retain_loader = DataLoader(retain_set, batch_size=128, shuffle=True, num_workers=2, generator=RNG)

# %%
local_path = "weights_resnet18_cifar10.pth"
if not os.path.exists(local_path):
    r = requests.get("https://storage.googleapis.com/unlearning-challenge/" + local_path)
    open(local_path, "wb").write(r.content)
weights_pretrained = torch.load(local_path, map_location=DEVICE)
model = resnet18(weights=None, num_classes=10)
model.load_state_dict(weights_pretrained)
model.to(DEVICE)
model.eval();

# %%
def accuracy(net, loader):
    correct = total = 0
    for inputs, targets in loader:
        inputs, targets = inputs.to(DEVICE), targets.to(DEVICE)
        correct += (net(inputs).argmax(1) == targets).sum().item()
        total += targets.size(0)
    return correct / total

print(f"Train set accuracy: {100.0 * accuracy(model, train_loader):0.1f}%")
print(f"Test set accuracy: {100.0 * accuracy(model, test_loader):0.1f}%")

# %%
def unlearning(net, retain, forget, validation):
    """noise + one epoch"""
    with torch.no_grad():
        for p in net.parameters():
            if p.ndim > 1:
                p.add_(0.1 * p.std() * torch.randn_like(p))
    epochs = 1
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    net.train()
    for _ in range(epochs):
        for inputs, targets in retain:
            inputs, targets = inputs.to(DEVICE), targets.to(DEVICE)
            optimizer.zero_grad()
            loss = criterion(net(inputs), targets)
            loss.backward()
            optimizer.step()
        scheduler.step()
    net.eval()
    return net

# %%
ft_model = resnet18(weights=None, num_classes=10)
ft_model.load_state_dict(weights_pretrained)
ft_model.to(DEVICE)
ft_model = unlearning(ft_model, retain_loader, forget_loader, test_loader)

# %%
def compute_losses(net, loader):
    criterion = nn.CrossEntropyLoss(reduction="none")
    out = []
    for x, y in loader:
        out.extend(criterion(net(x.to(DEVICE)), y.to(DEVICE)).tolist())
    return np.array(out)

f_l, t_l = compute_losses(ft_model, forget_loader), compute_losses(ft_model, test_loader)
np.random.shuffle(f_l)
k = min(len(f_l), len(t_l))
X = np.concatenate([t_l[:k], f_l[:k]]).reshape(-1, 1)
mia = model_selection.cross_val_score(linear_model.LogisticRegression(), X, [0] * k + [1] * k, cv=5)
plt.hist(f_l, alpha=.5); plt.hist(t_l, alpha=.5); plt.title(f"MIA {mia.mean():.3f}"); plt.show()
