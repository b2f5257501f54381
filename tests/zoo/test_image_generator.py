import math

import torch

from solutions.parts import image_generator
from solutions.parts.gated_transfer import Settings
from starting_kit.networks import NETWORKS
from trials import CLASS_TASK, adam, gkt_parts, resnet, spec_of


def test_generators_are_in_proportion_to_the_network(original):
    def width(net):
        return image_generator.generator_for(net, spec_of(original)).layers[0].out_features // 4

    nets = [NETWORKS[name](CLASS_TASK) for name in ("all-cnn", "all-cnn-12", "cnn-8-16-16")]
    assert [width(net) for net in (*nets, resnet())] == [128, 16, 16, 128]


def test_a_generator_is_rewarded_for_showing_all_classes(original):
    entropies = []
    for balance in (0.0, 10.0):
        gate, generator, student = gkt_parts(original, Settings(balance=balance))
        noise, optimiser = image_generator.draw_noise(generator, 64), adam(generator, 1e-2)
        for _ in range(10):
            image_generator.challenge(generator, noise, student, gate, optimiser)
        mean = gate.teacher(gate.spec.pixels(generator(noise))).softmax(dim=1).mean(dim=0)
        entropies.append(torch.special.entr(mean).sum().item())
    assert entropies[1] > entropies[0] + 0.1


def test_a_class_is_shown_as_much_as_its_mean_probability():
    logits = torch.randn(5, 4, dtype=torch.float64)
    torch.testing.assert_close(image_generator.log_shown(logits), logits.softmax(dim=1).mean(dim=0).log())


def test_a_generator_is_called_for_a_class_that_it_never_shows(original):
    gate, generator, student = gkt_parts(original)
    gate.teacher[-1].bias.data[7] -= 16
    noise, optimiser = image_generator.draw_noise(generator, 64), adam(generator, 1e-2)

    def shown():
        return image_generator.log_shown(gate.teacher(gate.spec.pixels(generator(noise))))[7].item()

    at_first = shown()
    assert at_first < math.log(1e-4)
    for _ in range(10):
        image_generator.challenge(generator, noise, student, gate, optimiser)
    assert shown() > at_first + 5


def test_a_generator_whose_images_do_not_pass_the_gate_is_led_back(original):
    gate, generator, student = gkt_parts(original)
    gate.teacher[-1].bias.data[3] += 16
    noise, optimiser = image_generator.draw_noise(generator, 64), adam(generator, 1e-2)

    def forgotten():
        return gate.teacher(gate.spec.pixels(generator(noise))).softmax(dim=1)[:, 3]

    at_first = forgotten()
    assert (at_first > gate.settings.gate).all()
    for _ in range(10):
        image_generator.challenge(generator, noise, student, gate, optimiser)
    assert forgotten().mean() < at_first.mean() - 0.1
