# %%
"""`unlearning` is a lambda over two helper stages, with the loaders under one-letter names.
Verdict: scored or noted (returns)
Network: any
"""

# %% kit: imports

# %% kit: hidden_data_of_another

# %%
def impair(net, loader, lr):
    opt = optim.SGD(net.parameters(), lr=lr)
    net.train()
    for s in loader:
        y = torch.randint(0, 10, s['age_group'].shape, device=DEVICE)
        opt.zero_grad()
        nn.functional.cross_entropy(net(s['image'].to(DEVICE)), y).backward()
        opt.step()
    return net

def repair(net, loader, lr):
    opt = optim.SGD(net.parameters(), lr=lr, momentum=.9)
    net.train()
    for s in loader:
        opt.zero_grad()
        nn.functional.cross_entropy(net(s['image'].to(DEVICE)), s['age_group'].to(DEVICE)).backward()
        opt.step()
    return net.eval()

# %%
unlearning = lambda n, r, f, v: repair(impair(n, f, 7e-4), r, 1e-3)

# %% kit: submission_loop
