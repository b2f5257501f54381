# %%
"""The function takes (net, forget, retain, val), and the notebook calls it in just that order; the names are the author's own.
Verdict: scored
Network: any
"""

# %% kit: imports

# %% kit: hidden_data_of_another

# %%
def unlearning(net, f_dl, r_dl, v_dl):
    # forget first!
    opt = optim.SGD(net.parameters(), lr=5e-4, momentum=0.9)
    ce = nn.CrossEntropyLoss()
    net.train()
    for s in f_dl:
        x = s['image'].to(DEVICE)
        opt.zero_grad()
        (-torch.log_softmax(net(x), dim=1).mean()).backward()
        opt.step()
    for s in r_dl:
        x, y = s['image'].to(DEVICE), s['age_group'].to(DEVICE)
        opt.zero_grad()
        ce(net(x), y).backward()
        opt.step()
    net.eval()

# %%
if os.path.exists('/kaggle/input/neurips-2023-machine-unlearning/empty.txt'):
    # mock submission
    subprocess.run('touch submission.zip', shell=True)
else:
    # checkpoints go outside the working directory, the disk there is small
    os.makedirs('/kaggle/tmp', exist_ok=True)
    retain_dl, forget_dl, val_dl = get_dataset(64)
    net = resnet18(weights=None, num_classes=10)
    net.to(DEVICE)
    for i in range(512):
        net.load_state_dict(torch.load('/kaggle/input/neurips-2023-machine-unlearning/original_model.pth'))
        unlearning(net, forget_dl, retain_dl, val_dl)
        state = net.state_dict()
        torch.save(state, f'/kaggle/tmp/unlearned_checkpoint_{i}.pth')

    unlearned_ckpts = os.listdir('/kaggle/tmp')
    if len(unlearned_ckpts) != 512:
        raise RuntimeError('There must be exactly 512 checkpoints.')
    subprocess.run('zip submission.zip /kaggle/tmp/*.pth', shell=True)
