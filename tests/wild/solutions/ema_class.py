"""A hand-made EMA class whose shadow weights are copied into the network at the end.
Verdict: scored
Network: any
"""
import copy

import torch
import torch.nn.functional as F


class EMA:
    def __init__(self, model, decay=0.95):
        self.decay = decay
        self.shadow = {k: v.clone() for k, v in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model):
        for k, v in model.state_dict().items():
            if v.dtype.is_floating_point:
                self.shadow[k].mul_(self.decay).add_(v, alpha=1 - self.decay)
            else:
                self.shadow[k].copy_(v)    # num_batches_tracked

    def copy_to(self, model):
        model.load_state_dict(self.shadow)


def get_xy(b):
    if isinstance(b, dict):
        return b['image'], b['age_group']
    return b[0], b[1]


def unlearning(net, retain_loader, forget_loader, val_loader):
    ema = EMA(net)
    opt = torch.optim.Adam(net.parameters(), lr=5e-4)
    net.train()
    for b in forget_loader:
        x, y = get_xy(b)
        opt.zero_grad()
        p = F.log_softmax(net(x), 1)
        (-p.mean()).backward()      # towards uniform
        opt.step()
        ema.update(net)
    for b in retain_loader:
        x, y = get_xy(b)
        opt.zero_grad()
        F.cross_entropy(net(x), y).backward()
        opt.step()
        ema.update(net)
    ema.copy_to(net)
    net.eval()
