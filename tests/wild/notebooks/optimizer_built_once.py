# %%
"""The optimizer is built once before the loop, so its momentum is carried from one checkpoint into the next.
Verdict: noted (optimizer once, before the loop)
Network: any
"""

# %% kit: imports

# %% kit: hidden_data

# %% kit: step_with_optimizer

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
    optimizer = optim.SGD(net.parameters(), lr=1e-3, momentum=0.9, weight_decay=5e-4)
    for i in range(512):
        net.load_state_dict(torch.load('/kaggle/input/neurips-2023-machine-unlearning/original_model.pth'))
        unlearning(net, retain_loader, forget_loader, validation_loader, optimizer)
        state = net.state_dict()
        torch.save(state, f'/kaggle/tmp/unlearned_checkpoint_{i}.pth')

    unlearned_ckpts = os.listdir('/kaggle/tmp')
    if len(unlearned_ckpts) != 512:
        raise RuntimeError('There must be exactly 512 checkpoints.')
    subprocess.run('zip submission.zip /kaggle/tmp/*.pth', shell=True)
