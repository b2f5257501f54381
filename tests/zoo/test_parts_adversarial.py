import torch
from torch import nn
from torch.nn import functional as F

from solutions.parts import adversarial
from solutions.parts.batches import batches
from trials import DATA, examples, given, small_net


def test_pixel_limits_are_those_of_all_batches():
    examples = [(torch.tensor([[3.0, 4.0]]), torch.tensor([0])), (torch.tensor([[-2.0, 3.5]]), torch.tensor([0]))]
    assert adversarial.pixel_limits(iter(examples)) == (-2.0, 4.0)
    assert adversarial.pixel_limits(batches(given("dict")[1], nn.Linear(1, 1))) == (0.0, 16.0)


def test_ascent_of_a_linear_network_is_its_closed_form():
    generator = torch.Generator().manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(12, 5)).double()
    images, labels = torch.randn(50, 3, 2, 2, generator=generator).double(), torch.randint(5, (50,), generator=generator)
    directions, wrong = adversarial.ascent(net, images, labels)
    logits = net(images)
    expected = F.normalize((logits.softmax(dim=1) - F.one_hot(labels, 5)) @ net[1].weight)
    torch.testing.assert_close(directions.flatten(1), expected)
    assert torch.equal(wrong, logits.argmax(dim=1) != labels)
    assert wrong.any() and not wrong.all()


def test_every_image_ascends_by_itself_and_weights_get_no_gradients():
    net, (images, labels) = small_net(), examples(DATA.forget[:6])
    together, _ = adversarial.ascent(net, images.double(), labels)
    alone = [adversarial.ascent(net, images[i : i + 1].double(), labels[i : i + 1])[0] for i in range(6)]
    torch.testing.assert_close(together, torch.cat(alone))
    assert all(weight.grad is None for weight in net.parameters())


def test_within_pulls_to_the_surface_of_the_ball_only_what_is_outside():
    centres = torch.ones(3, 1, 2, 2)
    images = centres + torch.tensor([0.1, 3.0, 0.0])[:, None, None, None]  # 0.2, 6 and 0 away
    pulled = adversarial.within(images, centres, 2.0)
    torch.testing.assert_close(pulled, centres + torch.tensor([0.1, 1.0, 0.0])[:, None, None, None])
