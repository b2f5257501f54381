# %%
"""unlearning trains and returns a copy, but the loop ignores it and saves net, which was never changed.
Verdict: noted (the network that the notebook saves is scored)
Network: any
"""

# %% kit: imports

# %% kit: hidden_data

# %%
import copy

def unlearning(net, retain_loader, forget_loader, val_loader):
    student = copy.deepcopy(net)
    teacher = net.eval()
    opt = optim.SGD(student.parameters(), lr=2e-3, momentum=0.9)
    student.train()
    for sample in retain_loader:
        x, y = sample['image'].to(DEVICE), sample['age_group'].to(DEVICE)
        with torch.no_grad():
            t = torch.softmax(teacher(x), -1)
        out = student(x)
        loss = nn.functional.cross_entropy(out, y) + nn.functional.cross_entropy(out, t)
        opt.zero_grad(); loss.backward(); opt.step()
    student.eval()
    return student

# %% kit: submission_loop
