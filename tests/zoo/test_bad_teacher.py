import copy
import dataclasses

import numpy as np
import torch
from torch.nn import functional as F

from solutions import bad_teacher
from solutions.parts.batches import batches
from starting_kit import contract, runner
from trials import DATA, examples, given, logits, unlearn, weights

ALL_AT_ONCE = {"retain_share": 1.0, "batch_size": 512}  # one batch per epoch: the order does not matter
PRECISE = dataclasses.replace(DATA, images=DATA.images.astype(np.float64))


def test_published_values_are_the_defaults():
    assert contract.describe(contract.find("bad_teacher"), []).hyperparameters == {
        "retain_share": 0.3,
        "epochs": 1,
        "learning_rate": 1e-4,
        "batch_size": 256,
        "temperature": 1.0,
    }


def test_competent_teacher_is_the_original_and_the_incompetent_one_has_new_weights(original):
    competent, incompetent = bad_teacher.teachers(original)
    for name, tensor in original.state_dict().items():
        assert torch.equal(tensor, competent.state_dict()[name])
        drawn = not name.endswith("num_batches_tracked")
        assert not drawn or not (tensor == incompetent.state_dict()[name]).any()
    assert not any(weight.requires_grad for teacher in (competent, incompetent) for weight in teacher.parameters())


def test_every_example_of_both_sets_is_seen_once_and_marked():
    for kit in ("tuple", "dict"):
        retain, forget, _ = given(kit)
        both = list(batches(bad_teacher.marked(retain.dataset, forget.dataset, 64), torch.nn.Linear(1, 1)))
        images, is_forget = (torch.cat(parts) for parts in zip(*both, strict=True))
        assert {len(images) for images, _ in both[:-1]} == {64}
        assert 0 < is_forget[:64].sum() < 64  # batches mix both sets
        for ids, seen in ((DATA.forget, images[is_forget]), (DATA.retain, images[~is_forget])):
            given_images = examples(ids)[0]
            assert sorted(map(tuple, seen.flatten(1).tolist())) == sorted(map(tuple, given_images.flatten(1).tolist()))


def test_a_share_of_the_retain_set_is_drawn_anew_in_each_call():
    retain = given()[0]
    drawn = [bad_teacher.random_part(retain, 0.3).indices for _ in range(2)]
    assert [len(set(indices)) for indices in drawn] == [108, 108]  # of 360
    assert set(drawn[0]) != set(drawn[1])


def test_no_more_than_the_share_is_taught(original, monkeypatch):
    """How many of the batches' images are retain examples."""
    seen = []
    teach = bad_teacher.teaching
    monkeypatch.setattr(bad_teacher, "teaching", lambda *given: seen.append(given[3]) or teach(*given))
    bad_teacher.unlearning(copy.deepcopy(original), *given())
    assert [len(marks) for marks in seen] == [198]
    assert (~seen[0]).sum() == 108


def test_equals_a_naive_version_whose_teachers_do_not_move(original):
    net = copy.deepcopy(original).double()
    settings = {"epochs": 3, "learning_rate": 1e-2, "temperature": 2.0}
    unlearned = unlearn("bad_teacher", net, data=PRECISE, **ALL_AT_ONCE, **settings)

    runner.start_afresh(0)
    student, competent, incompetent = (copy.deepcopy(net) for _ in range(3))
    for layer in incompetent:
        if hasattr(layer, "reset_parameters"):
            layer.reset_parameters()
    retain, forget = (torch.from_numpy(PRECISE.images[ids]) for ids in (DATA.retain, DATA.forget))
    with torch.no_grad():
        lessons = torch.cat([competent.eval()(retain), incompetent.eval()(forget)])
    student.train()
    optimiser = torch.optim.Adam(student.parameters(), lr=1e-2)
    for _ in range(3):
        p, q = (lessons / 2).softmax(dim=1), (student(torch.cat([retain, forget])) / 2).softmax(dim=1)
        optimiser.zero_grad()
        (4 * (p * (p / q).log()).sum(dim=1).mean()).backward()
        optimiser.step()
    assert (weights(student) - weights(net)).abs().max() > 1e-2
    torch.testing.assert_close(weights(unlearned), weights(student), rtol=0, atol=1e-6)


def test_predictions_stay_the_originals_on_retain_examples_more_than_on_forget_examples(original):
    unlearned = unlearn("bad_teacher", original, epochs=5, learning_rate=3e-3, batch_size=32)

    def divergence(ids):
        p, q = (logits(net, ids).log_softmax(dim=1) for net in (original, unlearned))
        return F.kl_div(q, p, reduction="batchmean", log_target=True).item()

    assert divergence(DATA.forget) > 1.2 * divergence(DATA.retain)
