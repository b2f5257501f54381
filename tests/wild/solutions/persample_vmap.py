"""DP-SGD style: per-sample gradients with torch.func (vmap of grad), clipped one by one, noise added.
Verdict: scored
Network: any
Lockstep: no
"""
import torch
import torch.nn.functional as F
from torch.func import functional_call, grad, vmap

C = 1.0          # clip
SIGMA = 0.02
LR = 5e-3
STEPS = 6


def unlearning(net, retain_loader, forget_loader, val_loader):
    net.eval()   # BN has no per-sample gradient in train mode
    params = {k: p.detach() for k, p in net.named_parameters()}
    buffers = {k: b.detach() for k, b in net.named_buffers()}

    def one(params, x, y):
        out = functional_call(net, (params, buffers), (x.unsqueeze(0),))
        return F.cross_entropy(out, y.unsqueeze(0))

    per_sample = vmap(grad(one), in_dims=(None, 0, 0))
    for step, (x, y) in enumerate(retain_loader):
        if step >= STEPS:
            break
        g = per_sample(params, x, y)
        sq = sum(v.flatten(1).pow(2).sum(1) for v in g.values())
        scale = (C / (sq.sqrt() + 1e-6)).clamp(max=1.0)
        with torch.no_grad():
            for k, p in params.items():
                v = torch.einsum("n,n...->...", scale, g[k]) / len(x)
                v = v + SIGMA * C * torch.randn_like(v) / len(x)
                p.sub_(LR * v)      # same storage as the net's
    return net
