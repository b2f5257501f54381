# %%
"""`unlearning` is an instance of a class with __call__; the settings live in the instance, a history list only records.
Verdict: scored or noted (returns)
Network: any
"""

# %% kit: imports

# %% kit: hidden_data

# %%
class Unlearner:
    """forget -> uniform, then retain"""

    def __init__(self, lr_f, lr_r, epochs=1):
        self.lr_f, self.lr_r, self.epochs = lr_f, lr_r, epochs
        self.ce = nn.CrossEntropyLoss()
        self.history = []

    def _forget(self, net, loader):
        opt = optim.SGD(net.parameters(), lr=self.lr_f)
        for s in loader:
            opt.zero_grad()
            loss = -net(s['image'].to(DEVICE)).log_softmax(1).mean()
            loss.backward()
            opt.step()

    def _retain(self, net, loader):
        opt = optim.SGD(net.parameters(), lr=self.lr_r, momentum=0.9, weight_decay=5e-4)
        for _ in range(self.epochs):
            for s in loader:
                opt.zero_grad()
                loss = self.ce(net(s['image'].to(DEVICE)), s['age_group'].to(DEVICE))
                loss.backward()
                opt.step()
                self.history.append(loss.item())

    def __call__(self, net, retain_loader, forget_loader, val_loader):
        net.train()
        self._forget(net, forget_loader)
        self._retain(net, retain_loader)
        net.eval()
        return net


unlearning = Unlearner(lr_f=5e-4, lr_r=1e-3)

# %% kit: submission_loop
