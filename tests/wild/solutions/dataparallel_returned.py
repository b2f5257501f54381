"""Wraps the network in nn.DataParallel and returns the wrapper.
Verdict: scored
Network: any
"""
import torch
from torch import nn, optim

device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
print("device", device, "gpus", torch.cuda.device_count())


def unlearning(net, retain_loader, forget_loader, val_loader):
    # T4 x2
    net = nn.DataParallel(net).to(device)
    optimizer = optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    criterion = nn.CrossEntropyLoss()
    net.train()
    for sample in retain_loader:
        if type(sample) is dict:
            inputs, targets = sample["image"], sample["age_group"]
        else:
            inputs, targets = sample
        inputs, targets = inputs.to(device), targets.to(device)
        optimizer.zero_grad()
        loss = criterion(net(inputs), targets)
        loss.backward()
        optimizer.step()
    net.eval()
    return net
