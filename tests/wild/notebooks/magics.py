# %%
"""Cell magics, shell lines with continuations, help queries and captured shell output all over the notebook.
Verdict: scored
Network: any
"""

# %%
%matplotlib inline
%load_ext autoreload
%autoreload 2
!nvidia-smi

# %%
!pip install -q \
    "torchmetrics>=0.11" \
    einops \
    --no-deps
%pip install -q lightning

# %% kit: imports

# %%
files = !ls /kaggle/input
n = !nproc
print(files)
torch.randn_like?
!mkdir -p /kaggle/tmp && \
 df -h /kaggle/tmp

# %% kit: hidden_data

# %%
%%time

# one epoch

def unlearning(net, retain_loader, forget_loader, val_loader):
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

# %%
%%capture out
print('nothing')

# %%
%%bash
for f in /kaggle/input/*; do
  echo $f
done

# %%
%%html
<b>submission</b>

# %%
if os.path.exists('/kaggle/input/neurips-2023-machine-unlearning/empty.txt'):
    # mock submission
    !touch submission.zip
else:
    # checkpoints go outside the working directory, the disk there is small
    os.makedirs('/kaggle/tmp', exist_ok=True)
    retain_loader, forget_loader, validation_loader = get_dataset(64)
    net = resnet18(weights=None, num_classes=10)
    net.to(DEVICE)
    for i in range(512):
        net.load_state_dict(torch.load('/kaggle/input/neurips-2023-machine-unlearning/original_model.pth'))
        unlearning(net, retain_loader, forget_loader, validation_loader)
        state = net.state_dict()
        torch.save(state, f'/kaggle/tmp/unlearned_checkpoint_{i}.pth')

    unlearned_ckpts = os.listdir('/kaggle/tmp')
    if len(unlearned_ckpts) != 512:
        raise RuntimeError('There must be exactly 512 checkpoints.')
    !zip -q submission.zip /kaggle/tmp/*.pth

# %%
%time print("done")
