# %%
"""LR and EPOCHS are bound before the function, re-bound before the submission loop, and re-bound again in a cell after it; those before the loop count.
Verdict: scored
Network: any
"""

# %% kit: imports

# %% kit: hidden_data

# %%
LR = 0.1
EPOCHS = 10

# %%
def unlearning(net, retain_loader, forget_loader, val_loader):
    opt = optim.SGD(net.parameters(), lr=LR, momentum=0.9)
    for _ in range(EPOCHS):
        net.train()
        for s in retain_loader:
            loss = nn.functional.cross_entropy(net(s['image'].to(DEVICE)), s['age_group'].to(DEVICE))
            opt.zero_grad()
            loss.backward()
            opt.step()
    net.eval()

# %%
# final setting
LR = 1e-3
EPOCHS = 1

# %% kit: submission_loop

# %% [markdown]
# below: local experiment, not part of the submission

# %%
LR = 25.0
EPOCHS = 40
# for LR in [1e-4, 1e-3, 1e-2, .1, 1, 10, 25]: ...
