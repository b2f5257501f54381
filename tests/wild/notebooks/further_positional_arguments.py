# %%
"""Three further positional arguments without defaults: epochs, learning rate and a loss; their values are only in the call.
Verdict: scored
Network: any
Lockstep: no
"""

# %% kit: imports

# %% kit: hidden_data

# %%
def unlearning(net, retain_loader, forget_loader, val_loader, n_epochs, lr, criterion):
    optimizer = optim.Adam(net.parameters(), lr=lr)
    net.train()
    for epoch in range(n_epochs):
        for sample in retain_loader:
            inputs, targets = sample["image"].to(DEVICE), sample["age_group"].to(DEVICE)
            optimizer.zero_grad()
            loss = criterion(net(inputs), targets)
            loss.backward()
            optimizer.step()
    net.eval()

# %%
LR = 3e-4
class_weights = torch.ones(10)
class_weights[0] = 0.5

# %%
if os.path.exists('/kaggle/input/neurips-2023-machine-unlearning/empty.txt'):
    # mock submission
    subprocess.run('touch submission.zip', shell=True)
else:
    # checkpoints go outside the working directory, the disk there is small
    os.makedirs('/kaggle/tmp', exist_ok=True)
    retain_loader, forget_loader, validation_loader = get_dataset(64)
    net = resnet18(weights=None, num_classes=10)
    net.to(DEVICE)
    loss_fn = nn.CrossEntropyLoss(weight=class_weights.to(DEVICE))
    for i in range(512):
        net.load_state_dict(torch.load('/kaggle/input/neurips-2023-machine-unlearning/original_model.pth'))
        unlearning(net, retain_loader, forget_loader, validation_loader, 1, LR, loss_fn)
        state = net.state_dict()
        torch.save(state, f'/kaggle/tmp/unlearned_checkpoint_{i}.pth')

    unlearned_ckpts = os.listdir('/kaggle/tmp')
    if len(unlearned_ckpts) != 512:
        raise RuntimeError('There must be exactly 512 checkpoints.')
    subprocess.run('zip submission.zip /kaggle/tmp/*.pth', shell=True)
