"""Fine-tuning in half precision on a GPU: hard .cuda() calls, cuda autocast and GradScaler.
Verdict: refused (NVIDIA)
Network: any
"""
import torch
import torch.nn as nn
from torch.cuda.amp import GradScaler, autocast


def unlearning(net, retain_loader, forget_loader, val_loader):
    net = net.cuda()
    criterion = nn.CrossEntropyLoss().cuda()
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-4)
    scaler = GradScaler()
    net.train()
    for _ in range(2):
        for inputs, targets in retain_loader:
            inputs = inputs.cuda(non_blocking=True)
            targets = targets.cuda(non_blocking=True)
            optimizer.zero_grad(set_to_none=True)
            with autocast():
                out = net(inputs)
                loss = criterion(out, targets)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    net.eval()
    return net
