"""Replaces the last linear layer with a LoRA wrapper, trains the adapter only, and leaves it in the network unmerged.
Verdict: noted (lockstep does not carry over)
Network: any
"""
import torch
import torch.nn as nn


class LoRALinear(nn.Module):
    def __init__(self, base: nn.Linear, r: int = 4, alpha: float = 8.0):
        super().__init__()
        self.base = base
        self.base.requires_grad_(False)
        self.A = nn.Parameter(torch.randn(r, base.in_features) * 0.02)
        self.B = nn.Parameter(torch.zeros(base.out_features, r))
        self.scale = alpha / r

    def forward(self, x):
        return self.base(x) + (x @ self.A.t() @ self.B.t()) * self.scale


def unlearning(net, retain_loader, forget_loader, val_loader):
    name = [n for n, m in net.named_modules() if isinstance(m, nn.Linear)][-1]
    parent, _, leaf = name.rpartition('.')
    parent = net.get_submodule(parent)
    lora = LoRALinear(getattr(parent, leaf))
    setattr(parent, leaf, lora)

    opt = torch.optim.Adam([lora.A, lora.B], lr=5e-3)
    net.eval()
    for x, y in forget_loader:
        opt.zero_grad()
        out = net(x)
        (-nn.functional.log_softmax(out, 1).mean()).backward()
        opt.step()
    for x, y in retain_loader:
        opt.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        opt.step()
    net.eval()
