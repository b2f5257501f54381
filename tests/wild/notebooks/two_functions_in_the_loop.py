# %%
"""The loop calls unlearning for the first 266 checkpoints and unlearning_ct for the other 246.
Verdict: noted (what is done otherwise is not run)
Network: any
"""

# %% kit: imports

# %% kit: hidden_data

# %% kit: fine_tuning

# %%
def unlearning_ct(net, retain_loader, forget_loader, val_loader):
    """transpose the kernels, then repair"""
    with torch.no_grad():
        for m in net.modules():
            if isinstance(m, nn.Conv2d):
                m.weight.data = m.weight.data.transpose(2, 3).contiguous()
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(net.parameters(), lr=0.005, momentum=0.9, weight_decay=5e-4)
    net.train()
    for sample in retain_loader:
        inputs, targets = sample['image'].to(DEVICE), sample['age_group'].to(DEVICE)
        optimizer.zero_grad()
        loss = criterion(net(inputs), targets)
        loss.backward()
        optimizer.step()
    net.eval()

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
    for i in range(512):
        net.load_state_dict(torch.load('/kaggle/input/neurips-2023-machine-unlearning/original_model.pth'))
        if i < 266:
            unlearning(net, retain_loader, forget_loader, validation_loader)
        else:
            unlearning_ct(net, retain_loader, forget_loader, validation_loader)
        state = net.state_dict()
        torch.save(state, f'/kaggle/tmp/unlearned_checkpoint_{i}.pth')

    unlearned_ckpts = os.listdir('/kaggle/tmp')
    if len(unlearned_ckpts) != 512:
        raise RuntimeError('There must be exactly 512 checkpoints.')
    subprocess.run('zip submission.zip /kaggle/tmp/*.pth', shell=True)
