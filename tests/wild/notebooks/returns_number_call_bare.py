# %%
"""unlearning changes net in place and returns the mean loss, a number; the loop ignores it and saves net. Layers frozen by ResNet names.
Verdict: noted (drops what unlearning returns)
Network: resnet
"""

# %% kit: imports

# %% kit: hidden_data

# %%
def unlearning(net, retain_loader, forget_loader, val_loader):
    """CF-k: all frozen but layer4 and fc"""
    for name, p in net.named_parameters():
        p.requires_grad = name.startswith(('layer4', 'fc'))
    net.fc.reset_parameters()
    optimizer = optim.SGD([p for p in net.parameters() if p.requires_grad], lr=5e-3, momentum=0.9)
    tot, n = 0.0, 0
    net.train()
    net.bn1.eval()
    for sample in retain_loader:
        x, y = sample['image'].to(DEVICE), sample['age_group'].to(DEVICE)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        tot += loss.item() * len(y); n += len(y)
    for p in net.parameters():
        p.requires_grad = True
    net.eval()
    return tot / n

# %% kit: submission_loop
