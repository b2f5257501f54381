# %%
"""The submission loop seeds torch with the run's index, so every run has a seed of its own.
Verdict: noted (seed)
Network: any
"""

# %% kit: imports

# %% kit: hidden_data

# %% kit: fine_tuning

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
        torch.manual_seed(1000 + i)
        unlearning(net, retain_loader, forget_loader, validation_loader)
        state = net.state_dict()
        torch.save(state, f'/kaggle/tmp/unlearned_checkpoint_{i}.pth')

    unlearned_ckpts = os.listdir('/kaggle/tmp')
    if len(unlearned_ckpts) != 512:
        raise RuntimeError('There must be exactly 512 checkpoints.')
    subprocess.run('zip submission.zip /kaggle/tmp/*.pth', shell=True)
