import torch
from torch.nn import functional as F

from solutions.parts.gradients import batch_gradients, per_example_gradients, summed_gradients
from trials import DATA, examples, small_net


def test_gradients_of_batches_and_of_single_examples():
    net = small_net()
    net[1].weight.requires_grad_(False)
    images, labels = examples(DATA.forget[:5])
    images = images.double()
    per_example = per_example_gradients(net, images, labels)
    alone = list(batch_gradients(net, [(images[i : i + 1], labels[i : i + 1]) for i in range(5)]))
    (together,) = batch_gradients(net, [(images, labels)])
    wanted = [name for name, _ in net.named_parameters() if name != "1.weight"]
    assert len(per_example) == len(together) == len(wanted)
    batches = [(images[:3], labels[:3]), (images[3:], labels[3:])]
    for total, *parts in zip(summed_gradients(net, batches), *batch_gradients(net, batches), strict=True):
        torch.testing.assert_close(total, sum(parts))
    F.cross_entropy(net(images), labels).backward()
    for k, name in enumerate(wanted):
        for i in range(5):
            torch.testing.assert_close(per_example[k][i], alone[i][k])
        torch.testing.assert_close(together[k], per_example[k].mean(dim=0))
        torch.testing.assert_close(together[k], net.get_parameter(name).grad)
