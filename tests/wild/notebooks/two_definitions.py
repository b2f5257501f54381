# %%
"""unlearning is defined twice; the last one (re-initialise conv weights with small gradient difference, then repair with damped gradients) is the one that runs.
Verdict: scored
Network: any
Lockstep: no
"""

# %% kit: imports

# %% kit: hidden_data

# %% [markdown]
# ### v1: baseline

# %%
def unlearning(net, retain_loader, forget_loader, val_loader):
    raise NotImplementedError('v1, do not use')

# %% [markdown]
# ### v2

# %%
KEEP = 0.1

def collect(net, loader, n, sign):
    seen = 0
    for s in loader:
        x, y = s['image'].to(DEVICE), s['age_group'].to(DEVICE)
        (sign * nn.functional.cross_entropy(net(x), y)).backward()
        seen += len(y)
        if seen >= n: break

def unlearning(net, retain_loader, forget_loader, val_loader):
    net.eval()
    net.zero_grad()
    n = len(forget_loader.dataset)
    collect(net, retain_loader, n, 1.)
    collect(net, forget_loader, n, -1.)
    handles = []
    for m in net.modules():
        if not isinstance(m, nn.Conv2d): continue
        g = m.weight.grad.abs()
        thr = torch.quantile(g.flatten()[:1_000_000], 0.3)
        reset = g <= thr
        fresh = torch.empty_like(m.weight)
        nn.init.kaiming_normal_(fresh, mode='fan_out', nonlinearity='relu')
        with torch.no_grad():
            m.weight[reset] = fresh[reset]
        scale = torch.where(reset, 1.0, KEEP)
        handles.append(m.weight.register_hook(lambda grad, s=scale: grad * s))
    net.zero_grad(set_to_none=True)
    opt = optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    net.train()
    for _ in range(2):
        for s in retain_loader:
            opt.zero_grad()
            nn.functional.cross_entropy(net(s['image'].to(DEVICE)), s['age_group'].to(DEVICE)).backward()
            opt.step()
    for h in handles: h.remove()
    net.eval()

# %% kit: submission_loop
