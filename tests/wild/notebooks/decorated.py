# %%
"""unlearning carries two decorators: a home-made timer and torch.enable_grad().
Verdict: scored
Network: any
"""

# %% kit: imports

# %% kit: hidden_data

# %%
import functools, time

def timed(fn):
    @functools.wraps(fn)
    def inner(*args, **kw):
        t = time.perf_counter()
        out = fn(*args, **kw)
        print(f'{fn.__name__}: {time.perf_counter() - t:.2f}s')
        return out
    return inner

# %%
@timed
@torch.enable_grad()
def unlearning(net, retain_loader, forget_loader, val_loader):
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
