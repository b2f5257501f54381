import pytest
from torch import nn
from torchvision.models import densenet121, mobilenet_v3_small, resnet18, resnet50, vit_b_16

from solutions.parts.layers import blocks, head, stem
from starting_kit.networks import NETWORKS
from trials import TASK


@pytest.mark.parametrize(
    ("net", "count", "first", "last"),
    [
        (resnet18(), 10, "conv1", "fc"),
        (nn.Sequential(nn.Identity(), resnet50()), 18, "1.conv1", "1.fc"),
        (vit_b_16(), 14, "conv_proj", "heads.head"),
        (mobilenet_v3_small(), 15, "features.0.0", "classifier.3"),
        (densenet121(), 9, "features.conv0", "classifier"),
        (NETWORKS["cnn-8-16-16"](TASK), 4, "1", "13"),
        (NETWORKS["all-cnn"](TASK), 9, "1", "25"),
    ],
    ids=["resnet18", "resnet50", "vit", "mobilenet", "densenet", "cnn", "all-cnn"],
)
def test_blocks_stem_and_head(net, count, first, last):
    parts = blocks(net)
    assert len(parts) == count
    assert stem(net) is net.get_submodule(first)
    assert head(net) is net.get_submodule(last)
    assert any(module is stem(net) for module in parts[0].modules())
    assert any(module is head(net) for module in parts[-1].modules())
    found = [id(weight) for part in parts for weight in part.parameters()]
    assert len(found) == len(set(found))
    direct = {id(net.class_token), id(net.encoder.pos_embedding)} if hasattr(net, "class_token") else set()
    assert set(found) | direct == {id(weight) for weight in net.parameters()}
