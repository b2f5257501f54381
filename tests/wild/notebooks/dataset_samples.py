# %%
"""The author's own HiddenDataset keeps a .samples list (path, label), which unlearning reads from retain_loader.dataset for class weights.
Verdict: refused (.samples of the data set)
Network: any
"""

# %% kit: imports

# %%
class HiddenDataset(Dataset):
    def __init__(self, split):
        root = '/kaggle/input/neurips-2023-machine-unlearning'
        df = pd.read_csv(f'{root}/{split}.csv')
        self.samples = [(f"{root}/images/{i.split('-')[0]}/{i.split('-')[1]}.png", int(g))
                        for i, g in zip(df['image_id'], df['age_group'])]

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, k):
        path, label = self.samples[k]
        return {'image': torchvision.io.read_image(path).float(), 'age_group': label}

def get_dataset(batch_size):
    kw = dict(batch_size=batch_size, shuffle=True, num_workers=2)
    return tuple(DataLoader(HiddenDataset(s), **kw) for s in ('retain', 'forget', 'validation'))

# %%
from collections import Counter

def unlearning(net, retain_loader, forget_loader, val_loader):
    c = Counter(label for _, label in retain_loader.dataset.samples)
    w = torch.tensor([1.0 / max(c[k], 1) ** 0.1 for k in range(10)]).to(DEVICE)
    opt = optim.SGD(net.parameters(), lr=5e-4, momentum=0.9)
    net.train()
    for s in retain_loader:
        loss = nn.functional.cross_entropy(net(s['image'].to(DEVICE)), s['age_group'].to(DEVICE), weight=w)
        opt.zero_grad(); loss.backward(); opt.step()
    net.eval()

# %% kit: submission_loop
