"""Autocast with the device type taken from the network, so bfloat16 on a CPU.
Verdict: scored
Network: any
"""
import torch
import torch.nn.functional as F
from torch import nn


def unlearning(net: nn.Module, retain_loader, forget_loader, val_loader) -> nn.Module:
    device = next(net.parameters()).device
    opt = torch.optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    net.train()
    for batch in retain_loader:
        # works for both kits
        if isinstance(batch, dict):
            x, y = batch["image"], batch["age_group"]
        else:
            x, y = batch
        x, y = x.to(device), y.to(device)
        opt.zero_grad()
        with torch.autocast(device_type=device.type, dtype=torch.bfloat16):
            logits = net(x)
        loss = F.cross_entropy(logits.float(), y)
        loss.backward()
        opt.step()
    net.eval()
    return net
