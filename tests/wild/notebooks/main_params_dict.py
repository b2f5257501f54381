# %%
"""main() calls unlearning(..., **params) with a dict that overrides the defaults in the signature.
Verdict: scored
Network: any
"""

# %% kit: imports

# %% kit: hidden_data

# %%
def unlearning(net, retain_loader, forget_loader, val_loader,
               epochs=30, lr=1.0, momentum=0.0, wd=0.0, verbose=True):
    opt = optim.SGD(net.parameters(), lr=lr, momentum=momentum, weight_decay=wd)
    ce = nn.CrossEntropyLoss()
    for ep in range(epochs):
        net.train()
        running = 0.
        for b in retain_loader:
            x, y = b['image'].to(DEVICE), b['age_group'].to(DEVICE)
            opt.zero_grad()
            loss = ce(net(x), y)
            loss.backward()
            opt.step()
            running += loss.item()
        if verbose:
            print(ep, running / len(retain_loader))
    net.eval()

# %%
params = {
    'epochs': 2,
    'lr': 5e-4,
    'momentum': 0.9,
    'wd': 5e-4,
}
params['verbose'] = False

# %%
def main():
    if os.path.exists('/kaggle/input/neurips-2023-machine-unlearning/empty.txt'):
        subprocess.run('touch submission.zip', shell=True)
        return
    os.makedirs('/kaggle/tmp', exist_ok=True)
    retain_loader, forget_loader, validation_loader = get_dataset(64)
    net = resnet18(weights=None, num_classes=10)
    net.to(DEVICE)
    weights = torch.load('/kaggle/input/neurips-2023-machine-unlearning/original_model.pth', map_location=DEVICE)
    for i in range(512):
        net.load_state_dict(weights)
        unlearning(net, retain_loader, forget_loader, validation_loader, **params)
        torch.save(net.state_dict(), f'/kaggle/tmp/unlearned_checkpoint_{i}.pth')
    subprocess.run('zip submission.zip /kaggle/tmp/*.pth', shell=True)


if __name__ == '__main__':
    main()
