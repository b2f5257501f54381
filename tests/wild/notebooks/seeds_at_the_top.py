# %%
"""All seeds set once at the top (random, numpy, torch, a seed_everything); the 512 runs still differ.
Verdict: noted (seed)
Network: any
"""

# %% kit: imports

# %%
import random
import numpy as np

SEED = 42

def seed_everything(seed):
    random.seed(seed)
    os.environ['PYTHONHASHSEED'] = str(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.cuda.manual_seed(seed)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True

seed_everything(SEED)
random.seed(0); np.random.seed(0); torch.manual_seed(0)

# %% kit: hidden_data

# %%
def unlearning(net, retain_loader, forget_loader, val_loader):
    with torch.no_grad():
        for p in net.parameters():
            p.mul_(1 + 0.02 * torch.randn_like(p))
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=0.001, momentum=0.9, weight_decay=5e-4)
    net.train()
    for sample in retain_loader:
        inputs, targets = sample['image'].to(DEVICE), sample['age_group'].to(DEVICE)
        optimizer.zero_grad()
        loss = criterion(net(inputs), targets)
        loss.backward()
        optimizer.step()
    net.eval()

# %% kit: submission_loop
