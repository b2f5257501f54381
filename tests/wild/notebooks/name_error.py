# %%
"""unlearning uses BETA, which no cell defines (the cell was deleted), so every call raises NameError.
Verdict: refused (BETA is not defined)
Network: any
"""

# %% kit: imports

# %% kit: hidden_data

# %%
def unlearning(net, retain_loader, forget_loader, val_loader):
    opt = optim.SGD(net.parameters(), lr=1e-3, momentum=0.9)
    net.train()
    for s in retain_loader:
        out = net(s['image'].to(DEVICE))
        ent = -(out.softmax(1) * out.log_softmax(1)).sum(1).mean()
        loss = nn.functional.cross_entropy(out, s['age_group'].to(DEVICE)) - BETA * ent
        opt.zero_grad(); loss.backward(); opt.step()
    net.eval()

# %% kit: submission_loop
