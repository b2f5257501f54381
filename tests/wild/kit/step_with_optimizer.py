def unlearning(net, retain_loader, forget_loader, val_loader, optimizer, scheduler=None):
    criterion = nn.CrossEntropyLoss()
    net.train()
    for sample in retain_loader:
        x, y = sample['image'].to(DEVICE), sample['age_group'].to(DEVICE)
        optimizer.zero_grad()
        criterion(net(x), y).backward()
        optimizer.step()
        if scheduler is not None:
            scheduler.step()
    net.eval()
