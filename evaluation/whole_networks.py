"""Networks as they are, for the store: those of a solution's own trainer are more than the weights of a known architecture.

They are pickled, so only what a run of one's own has written should be read: unpickling executes what a file says.
"""

import io

import numpy as np
import torch
from torch import nn

from evaluation.store import Arrays


def pack(network: nn.Module) -> Arrays:
    """A network as the bytes of `torch.save`; the store adds its checksum."""
    buffer = io.BytesIO()
    torch.save(network, buffer)
    return {"network": np.frombuffer(buffer.getvalue(), dtype=np.uint8)}


def unpack(arrays: Arrays) -> nn.Module:
    """The network that was packed; its classes must be importable, or defined by a solution that has been loaded."""
    return torch.load(io.BytesIO(arrays["network"].tobytes()), map_location="cpu", weights_only=False)
