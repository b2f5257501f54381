"""What comes back from a call is a network that can be used, or a sentence says why not."""

import pytest

from evaluation.populations.model_outputs import logits_of
from folders import DATA, TASK, Write, called, called_in_lockstep, write_files  # noqa: F401  # a fixture
from starting_kit.errors import SolutionError
from starting_kit.returned import SolutionWarning

HEAD = "import torch\nfrom torch import nn\ndef unlearning(net, a, b, c):\n"
WRONG = {
    "meta": ("return net.to('meta')", "network on the meta device"),
    "a tuple of networks": ("return net, net", "returned tuple, it must return a network or nothing"),
    "a state": ("return net.state_dict()", "returned OrderedDict"),
    "lazy layers": ("return nn.LazyLinear(3)", "cannot be read|cannot be brought"),
    "refusal": ("net.to = 3", "cannot be brought to cpu, TypeError"),
}


@pytest.mark.parametrize(("body", "message"), WRONG.values(), ids=WRONG)
def test_networks_that_are_none_are_refused_in_a_sentence(write: Write, body: str, message: str) -> None:
    with pytest.raises(SolutionError, match=message):
        called(write(f"{HEAD}    {body}"))


WRAPPED = "    net[-1].bias.data.fill_(7)\n    return nn.DataParallel(net)"


def test_wrappers_are_taken_off_and_that_is_said(write: Write) -> None:
    path = write(HEAD + WRAPPED)
    with pytest.warns(SolutionWarning, match="returned its network in DataParallel; what is scored is the network inside"):
        assert (called(path).get_parameter("13.bias") == 7).all()
    with pytest.warns(SolutionWarning, match="DataParallel"):
        assert all((net.get_parameter("13.bias") == 7).all() for net in called_in_lockstep(path, [1, 2]))


@pytest.mark.filterwarnings("ignore")  # quantisation says that it will move to another package
def test_a_quantised_network_is_scored_by_its_outputs(write: Write) -> None:
    net = called(
        write(f"{HEAD}    return torch.ao.quantization.quantize_dynamic(net.eval(), {{nn.Linear}}, dtype=torch.qint8)")
    )
    assert logits_of(net, DATA.images[:5], TASK.classes).shape == (5, TASK.classes)


OUTPUTS = {
    "tuples": ("return net(x), x", "gives a tuple instead of logits"),
    "dicts": ("return {'logits': net(x)}", "gives a dict instead of logits"),
    "fewer": ("return net(x)[:, :3]", r"gives \(5, 3\) logits instead of \(5, 10\)"),
    "errors": ("raise ValueError('one\\ntwo')", "cannot be evaluated, ValueError: one$"),
}


@pytest.mark.parametrize(("body", "message"), OUTPUTS.values(), ids=OUTPUTS)
def test_networks_that_give_no_logits_are_refused_in_a_sentence(write: Write, body: str, message: str) -> None:
    text = f"""
        from torch import nn
        class Other(nn.Module):
            def __init__(self, net):
                super().__init__()
                self.net = net
            def forward(self, x):
                net = self.net
                {body}
        def unlearning(net, a, b, c): return Other(net)
    """
    with pytest.raises(SolutionError, match=message):
        logits_of(called(write(text)), DATA.images[:5], TASK.classes)
