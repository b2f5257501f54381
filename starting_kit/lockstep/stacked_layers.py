"""Layers that are K layers side by side, and how an ordinary layer becomes one in place.

Convolutions become grouped convolutions, batch-norm works on K·C channels, linear layers become batched matrix products.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from starting_kit.networks import CentredConvolution


class StackedConvolution(nn.Conv2d):
    """K convolutions on [batch, K·channels, height, width]; where they give a single pixel, they are matrix products.

    The last stage of a ResNet works on single pixels (of 32x32 or 8x8 images), where torch computes grouped convolutions group
    by group, and copies a kernel's gradient, most of which is padding's, several times: half of a training step
    (docs/performance.md). The sums are the same.
    """

    members: int

    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self._gives_one_pixel(input):
            pixel: Tensor = _OnePixel.apply(input, weight, self.padding, self.members)
            return pixel if bias is None else pixel + bias.view(-1, 1, 1)
        output: Tensor = super()._conv_forward(input, weight, bias)
        return output

    def _gives_one_pixel(self, input: Tensor) -> bool:
        if (
            self.padding_mode != "zeros"
            or self.dilation != (1, 1)
            or self.groups != self.members
            or isinstance(self.padding, str)
        ):
            return False
        geometry = zip(input.shape[2:], self.padding, self.kernel_size, self.stride, strict=True)
        return all(size + 2 * padding < kernel + stride for size, padding, kernel, stride in geometry)


class _OnePixel(torch.autograd.Function):
    """The one pixel that K convolutions give, row by row of the part of their kernels that lies on the image."""

    @staticmethod
    def forward(ctx: Any, input: Tensor, weight: Tensor, padding: tuple[int, int], members: int) -> Tensor:
        ctx.save_for_backward(input, weight)
        ctx.rows, ctx.columns = (
            slice(before, min(before + size, kernel))
            for before, size, kernel in zip(padding, input.shape[2:], weight.shape[2:], strict=True)
        )
        ctx.members = members
        pairs = zip(_OnePixel._of_images(ctx, input), _OnePixel._of_kernels(ctx, weight), strict=True)
        output = torch.stack([torch.bmm(images, kernels.mT) for images, kernels in pairs]).sum(dim=0)
        return output.transpose(0, 1).reshape(len(input), -1, 1, 1)

    @staticmethod
    def _of_images(ctx: Any, input: Tensor) -> list[Tensor]:
        """[K, batch, columns·channels] of each row."""
        height, width = (taps.stop - taps.start for taps in (ctx.rows, ctx.columns))
        by_member = input.view(len(input), ctx.members, -1, *input.shape[2:])[..., :height, :width]
        return [row.permute(1, 0, 3, 2).flatten(2) for row in by_member.unbind(3)]

    @staticmethod
    def _of_kernels(ctx: Any, weight: Tensor) -> list[Tensor]:
        """[K, outputs, columns·channels] of each row; no copies where kernels are channels last."""
        rows = weight[:, :, ctx.rows, ctx.columns].unbind(2)
        return [row.mT.flatten(1).unflatten(0, (ctx.members, -1)) for row in rows]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, None, None]:
        input, weight = ctx.saved_tensors
        gradient = gradients[0].view(len(input), ctx.members, -1).transpose(0, 1)  # [K, batch, outputs]
        of_input = of_weight = None
        if ctx.needs_input_grad[0]:
            of_input = torch.zeros_like(input)
            by_member = of_input.view(len(input), ctx.members, -1, *input.shape[2:])
            for number, kernels in enumerate(_OnePixel._of_kernels(ctx, weight)):
                row = torch.bmm(gradient, kernels).unflatten(
                    2, (-1, input.shape[1] // ctx.members)
                )  # [K, batch, columns, channels]
                by_member[:, :, :, number, : row.shape[2]] = row.permute(1, 0, 3, 2)
        if ctx.needs_input_grad[1]:
            of_weight = torch.zeros_like(weight)
            for number, images in enumerate(_OnePixel._of_images(ctx, input)):
                row = torch.bmm(gradient.mT, images).flatten(0, 1)
                of_weight[:, :, ctx.rows.start + number, ctx.columns] = row.unflatten(1, (-1, weight.shape[1])).mT
        return of_input, of_weight, None, None


class StackedLinear(nn.Linear):
    """K linear layers on [batch, K·features], giving [batch, K·outputs]; weight [K·outputs, features], bias [K·outputs]."""

    members: int

    def forward(self, input: Tensor) -> Tensor:
        by_member = input.view(len(input), self.members, self.in_features).transpose(0, 1)
        weight = self.weight.view(self.members, -1, self.in_features).transpose(1, 2)
        outputs = by_member @ weight if self.bias is None else torch.baddbmm(self._bias(), by_member, weight)
        return outputs.transpose(0, 1).flatten(1)

    def _bias(self) -> Tensor:
        return self.bias.view(self.members, 1, -1)


class StackedLayerNorm(nn.LayerNorm):
    """K layer-norms on [batch, K·first, ...], where [first, ...] is what one of them normalises; weight [K·first, ...]."""

    members: int

    def forward(self, input: Tensor) -> Tensor:
        normal = F.layer_norm(input.view(len(input), self.members, *self.normalized_shape), self.normalized_shape, eps=self.eps)
        normal = normal.view_as(input)
        if self.elementwise_affine:
            normal = normal * self.weight
        return normal if self.bias is None else normal + self.bias


class StackedAverage(nn.AdaptiveAvgPool2d):
    """The mean of every channel.

    The gradient of torch's own comes in another memory format than the layers before work in, at 6 % of a step's time.
    """

    def forward(self, input: Tensor) -> Tensor:
        return input.sum(dim=(2, 3), keepdim=True) / (input.shape[2] * input.shape[3])


def _widen_convolution(layer: nn.Conv2d, members: int) -> None:
    layer.__class__ = StackedConvolution
    layer.members = members  # type: ignore[assignment]  # it is a StackedConvolution now
    layer.in_channels *= members
    layer.out_channels *= members
    layer.groups *= members


def _widen_batch_norm(layer: nn.BatchNorm1d | nn.BatchNorm2d, members: int) -> None:
    layer.num_features *= members


def _widen_group_norm(layer: nn.GroupNorm, members: int) -> None:
    layer.num_groups *= members
    layer.num_channels *= members


def _widen_linear(layer: nn.Linear, members: int) -> None:
    layer.__class__ = StackedLinear
    layer.members = members  # type: ignore[assignment]  # it is a StackedLinear now


def _widen_layer_norm(layer: nn.LayerNorm, members: int) -> None:
    layer.__class__ = StackedLayerNorm
    layer.members = members  # type: ignore[assignment]  # it is a StackedLayerNorm now


def _widen_average(layer: nn.AdaptiveAvgPool2d, members: int) -> None:
    if layer.output_size in (1, (1, 1)):
        layer.__class__ = StackedAverage


WIDEN: dict[type[nn.Module], Callable[..., None]] = {
    nn.Conv2d: _widen_convolution,
    CentredConvolution: _widen_convolution,
    nn.BatchNorm1d: _widen_batch_norm,
    nn.BatchNorm2d: _widen_batch_norm,
    nn.GroupNorm: _widen_group_norm,
    nn.Linear: _widen_linear,
    nn.LayerNorm: _widen_layer_norm,
    nn.AdaptiveAvgPool2d: _widen_average,
}
