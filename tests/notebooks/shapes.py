"""Notebooks of the shapes that people write, taken apart and run on a tiny network."""

import json
from types import SimpleNamespace

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from starting_kit import loading
from starting_kit.notebooks import extraction
from starting_kit.runner import start_afresh

SIZES = {"retain": 40, "forget": 8, "validation": 16}
IMPORTS = """
import copy, os, random
import numpy as np
import torch
import torchvision
from torch import nn, optim
from torch.utils.data import DataLoader, Dataset
SEEN = []
class Sgd:  # the first of PyTorch's takes seconds
    def __init__(self, parameters, lr):
        self.parameters, self.lr = list(parameters), lr
    def step(self):
        for p in self.parameters:
            p.data -= self.lr * (p.grad if p.grad is not None else 0)
def see(**given):
    SEEN.append({name: len(x.dataset) if hasattr(x, "dataset") else x for name, x in given.items()})
"""
DATA = """
class HiddenDataset(Dataset):
    def __init__(self, split):
        self.rows = np.load(f"/kaggle/input/{split}.npy")
def get_dataset(batch_size, shuffle=True):
    retain_ds = HiddenDataset(split="retain")
    forget_ds = HiddenDataset(split="forget")
    val_ds = HiddenDataset(split="validation")
    retain_loader = DataLoader(retain_ds, batch_size=batch_size, shuffle=shuffle, num_workers=2)
    forget_loader = DataLoader(forget_ds, batch_size=batch_size, shuffle=True)
    validation_loader = DataLoader(val_ds, batch_size=batch_size, shuffle=True)
    return retain_loader, forget_loader, validation_loader
"""
PLAIN = """
def unlearning(net, retain_loader, forget_loader, val_loader):
    see(retain=retain_loader, forget=forget_loader, validation=val_loader)
    with torch.no_grad():
        net.weight.mul_(2)
"""
LOOP = """
retain_loader, forget_loader, validation_loader = get_dataset(64)
net = torchvision.models.resnet18(weights=None, num_classes=10)
net.to(DEVICE)
for i in range(512):
    net.load_state_dict(torch.load("/kaggle/input/original_model.pth"))
    unlearning(net, retain_loader, forget_loader, validation_loader)
    torch.save(net.state_dict(), f"/kaggle/tmp/unlearned_checkpoint_{i}.pth")
"""
DEVICE = 'DEVICE = "cuda" if torch.cuda.is_available() else "cpu"'
KIT = (IMPORTS, DEVICE, DATA)


def loader(split):
    size = SIZES[split]
    return DataLoader(TensorDataset(torch.randn(size, 2), torch.zeros(size).long()), batch_size=4, shuffle=True)


def write(folder, *cells, name="mine"):
    """Write a notebook of these code cells."""
    path = folder / f"{name}.ipynb"
    code = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": cell.splitlines(keepends=True)} for cell in cells]
    path.write_text(json.dumps({"cells": code, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def run(folder, *cells, seed=0, settings=(), **values):
    """Take a notebook of these cells apart and call what comes out: what it saw, which network came back, what was said."""
    file, remarks = extraction.write(write(folder, *cells), settings, None, folder / "out")
    start_afresh(seed)
    net, given = nn.Linear(2, 2).eval(), {split: loader(split) for split in SIZES}
    nn.init.ones_(net.weight)
    module = loading.load(file)
    start_afresh(seed)  # a seed that is set when the file is loaded changes nothing
    returned = module.unlearning(net, *given.values(), **values)
    result = net if returned is None else returned
    return SimpleNamespace(module=module, seen=getattr(module, "SEEN", []), net=result, remarks=remarks)


def indented(text):
    return "".join(f"    {line}\n" for line in text.splitlines())


def weight(net):
    return net.weight[0, 0].item()
