"""A GPU where there is none: tensors that say that they lie on it, with their values on the CPU.

An operation on tensors that lie apart raises, as it does on a GPU, and everything else gives what it gives on the CPU. So a
solution runs to its end here, whatever it does with values (`loss.item()`, `images[labels == 3]`), as it would not on
PyTorch's fake tensors, which have none.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, NoReturn
from unittest import mock

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

aten = torch.ops.aten
GPU = torch.device("cuda:0")
# PyTorch itself is told another device, for which it needs no driver.
STAND_IN = torch.device("lazy")
MOST_OPERATIONS = 10_000  # of a trial: a dozen steps of training, a few seconds
# Copies lead from one device to another; indices on the CPU may index what lies on the GPU.
COPIES = (aten.copy_.default, aten._to_copy.default)
INDEXING = (aten.index.Tensor, aten.index_put.default, aten.index_put_.default, aten._index_put_impl_.default)


class DeviceMismatchError(RuntimeError):
    """What would fail on a GPU, because something lies on the CPU, or does not."""


class OutOfOperationsError(BaseException):
    """A trial has taken long enough; no `except Exception` of a solution is to catch it."""


class OnGpu(Tensor):
    """A tensor that says that it lies on a GPU.

    Attributes:
        on_cpu: its values.
    """

    device = property(lambda self: GPU)
    is_cuda = True
    on_cpu: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, values: Tensor) -> "OnGpu":
        made: OnGpu = Tensor._make_wrapper_subclass(
            cls,
            values.shape,
            strides=values.stride(),
            storage_offset=values.storage_offset(),
            dtype=values.dtype,
            device=STAND_IN,
        )
        made.on_cpu = values
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # documented as a class method
        cls, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        return _run(function, args, kwargs or {})

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"{self.on_cpu!r} on {GPU}"

    def get_device(self) -> int:
        return 0

    def tolist(self) -> Any:
        return self.on_cpu.tolist()

    def numpy(self, *, force: bool = False) -> Any:
        if force:
            return self.on_cpu.numpy()
        return self.__array__()

    def __array__(self, dtype: Any = None) -> NoReturn:
        raise DeviceMismatchError(f"can't convert {GPU} device type tensor to numpy, use Tensor.cpu() first")


class _Dispatch(TorchDispatchMode):
    """Sees every operation, also those that make a tensor on the GPU out of nothing."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.operations += 1
        if self.operations > MOST_OPERATIONS:
            raise OutOfOperationsError
        return _run(function, args, kwargs or {})


def _run(function: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """An operation on the values, and its result where it would lie."""
    on_gpu = [tensor for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, OnGpu)]
    if on_gpu:
        _require_one_device(function, args, kwargs)
    device = kwargs.get("device")
    if device is not None:
        to_gpu = torch.device(device).type != "cpu"
        kwargs = {**kwargs, "device": torch.device("cpu")}
    else:
        to_gpu = isinstance(args[0], OnGpu) if function in COPIES else bool(on_gpu)
    plain_args, plain_kwargs = tree_map(lambda value: value.on_cpu if isinstance(value, OnGpu) else value, (args, kwargs))
    result = function(*plain_args, **plain_kwargs)
    if not to_gpu:
        return result
    known = {id(tensor.on_cpu): tensor for tensor in on_gpu}  # an operation in place gives the tensor that it got

    def placed(value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return known[id(value)] if id(value) in known else OnGpu(value)

    return tree_map(placed, result)


def _require_one_device(function: Any, args: Any, kwargs: dict[str, Any]) -> None:
    """Refuse an operation on tensors on the GPU together with others, as CUDA does; single numbers may lie anywhere."""
    if function in COPIES:
        return
    operands: Any = (args, kwargs)
    if function in INDEXING and isinstance(args[0], OnGpu):
        operands = args[:1], args[2:]
    for tensor in tree_leaves(operands):
        if isinstance(tensor, Tensor) and not isinstance(tensor, OnGpu) and tensor.dim():
            raise DeviceMismatchError(f"Expected all tensors to be on the same device, but found {GPU} and cpu ({function})")


def _scattered(self: nn.DataParallel[Any], inputs: Any, kwargs: Any, device_ids: Any) -> tuple[Any, Any]:
    """`DataParallel` brings its inputs to the GPU."""
    inputs, kwargs = tree_map(lambda value: value.to(GPU) if isinstance(value, Tensor) else value, (inputs, kwargs))
    return (inputs,), (kwargs,)


# What PyTorch says of its GPUs.
TOLD: dict[str, Any] = {
    "is_available": lambda: True,
    "is_initialized": lambda: True,
    "device_count": lambda: 1,
    "current_device": lambda: 0,
    "get_device_name": lambda device=None: "Tesla T4",
    "get_device_capability": lambda device=None: (7, 5),
    "get_device_properties": lambda device=None: SimpleNamespace(name="Tesla T4", total_memory=2**34, multi_processor_count=40),
    "set_device": lambda device: None,
    "synchronize": lambda device=None: None,
    "empty_cache": lambda: None,
    "manual_seed": lambda seed: None,
    "manual_seed_all": lambda seed: None,
    "_lazy_init": lambda: None,
}


def is_possible() -> bool:
    """Whether this PyTorch can pretend to have a GPU; the oldest that the kit takes cannot."""
    return hasattr(torch._C, "_ensureCUDADeviceGuardSet")


@contextmanager
def pretended_gpu() -> Iterator[None]:
    """Within it `torch.cuda` has one GPU. `torch.compile` compiles nothing.

    Raises:
        DeviceMismatchError: an operation on tensors that lie apart.
        OutOfOperationsError: it has taken as long as a trial may take.
    """
    import torch._dynamo  # an optimiser imports it, and it must not meet the GPU that there is not

    only_lift, overwrite = torch._C._only_lift_cpu_tensors(), torch.__future__.get_overwrite_module_params_on_conversion()
    torch._C._ensureCUDADeviceGuardSet()
    torch._C._set_only_lift_cpu_tensors(True)
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    try:
        with (
            mock.patch.multiple(torch.cuda, **TOLD),
            mock.patch.object(nn.DataParallel, "scatter", _scattered),
            mock.patch.object(torch, "compile", lambda model=None, **options: model or (lambda function: function)),
            warnings.catch_warnings(action="ignore"),
            _Dispatch(),
        ):
            yield
    finally:
        torch._C._set_only_lift_cpu_tensors(only_lift)
        torch.__future__.set_overwrite_module_params_on_conversion(overwrite)
