# %%
"""The function takes (net, forget_loader, retain_loader, val_loader) and the notebook never calls it.
Verdict: refused (put the parameters in the order)
Network: any
"""

# %%
import torch
import torch.nn as nn
import torch.optim as optim
DEVICE = torch.device('cuda' if torch.cuda.is_available() else 'cpu')

# %%
def unlearning(net, forget_loader, retain_loader, val_loader):
    # forget first!
    opt = optim.SGD(net.parameters(), lr=5e-4, momentum=0.9)
    ce = nn.CrossEntropyLoss()
    net.train()
    for s in forget_loader:
        x = s['image'].to(DEVICE)
        opt.zero_grad()
        (-torch.log_softmax(net(x), dim=1).mean()).backward()
        opt.step()
    for s in retain_loader:
        x, y = s['image'].to(DEVICE), s['age_group'].to(DEVICE)
        opt.zero_grad()
        ce(net(x), y).backward()
        opt.step()
    net.eval()

# %% [markdown]
# ## Submission
# TODO, copy from the sample notebook

# %%
# print(unlearning)
