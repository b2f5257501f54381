# %%
"""torch.manual_seed(0) as the first line of unlearning: noise and shuffling are the same in every run.
Verdict: noted (torch.manual_seed(0) same numbers)
Network: any
Lockstep: no
"""

# %% kit: imports

# %% kit: hidden_data

# %%
def unlearning(net, retain_loader, forget_loader, val_loader):
    torch.manual_seed(0)
    with torch.no_grad():
        for n, p in net.named_parameters():
            if 'conv' in n or p.dim() == 4:
                p.add_(0.02 * torch.randn_like(p))
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
