# %%
"""The stock Kaggle kit: accelerator guard, HiddenDataset, get_dataset(64), one epoch of fine-tuning in place.
Verdict: scored
Network: any
"""

# %% [markdown]
# # Unlearning by fine-tuning
# Just the sample notebook with *one* epoch.

# %% kit: imports

# %%
# no accelerator, no submission
if DEVICE != 'cuda':
    raise RuntimeError('Add an accelerator to this notebook first!')

# %% kit: hidden_data

# %%
# replace this with your own function

def unlearning(
    net,
    retain_loader,
    forget_loader,
    val_loader):
    """Simple unlearning by finetuning."""
    epochs = 1
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=0.001,
                          momentum=0.9, weight_decay=5e-4)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs)
    net.train()

    for ep in range(epochs):
        net.train()
        for sample in retain_loader:
            inputs = sample["image"]
            targets = sample["age_group"]
            inputs, targets = inputs.to(DEVICE), targets.to(DEVICE)

            optimizer.zero_grad()
            outputs = net(inputs)
            loss = criterion(outputs, targets)
            loss.backward()
            optimizer.step()
        scheduler.step()

    net.eval()

# %% kit: submission_loop
