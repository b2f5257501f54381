"""argparse at the top of the module: parse_args() on import, the defaults are used by unlearning.
Verdict: scored
Network: any
"""
import argparse

import torch
import torch.nn as nn
import torch.optim as optim

parser = argparse.ArgumentParser(description='unlearn')
parser.add_argument('--lr', type=float, default=1e-3)
parser.add_argument('--epochs', type=int, default=1)
parser.add_argument('--wd', type=float, default=5e-4)
parser.add_argument('--method', default='neggrad', choices=['ft', 'neggrad'])
parser.add_argument('--no-cuda', action='store_true')
args = parser.parse_args()


def unlearning(net, retain_loader, forget_loader, val_loader):
    device = 'cuda' if torch.cuda.is_available() and not args.no_cuda else 'cpu'
    criterion = nn.CrossEntropyLoss()
    opt = optim.SGD(net.parameters(), lr=args.lr, momentum=0.9, weight_decay=args.wd)
    net.train()
    if args.method == 'neggrad':
        for x, y in forget_loader:
            opt.zero_grad()
            (-0.1 * criterion(net(x.to(device)), y.to(device))).backward()
            opt.step()
    for _ in range(args.epochs):
        for x, y in retain_loader:
            opt.zero_grad()
            criterion(net(x.to(device)), y.to(device)).backward()
            opt.step()
    net.eval()
    return net


if __name__ == '__main__':
    print(vars(args))
