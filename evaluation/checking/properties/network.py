"""Properties of the network that a call gives."""

from evaluation.checking.observed import Call, Text
from evaluation.checking.verdict import Finding, Property, has, lacks, unknown, weak
from evaluation.populations.made import BY_ROUNDING

IN_PLACE = ("nothing", "the network it was given", "another network")


def completes(call: Call) -> Finding:
    """A whole call ends, without an error."""
    return has(f"in {call.seconds:.1f} s")


def gives_network(call: Call) -> Finding:
    """It changes the network in place and returns nothing, or returns a network."""
    if call.returned not in IN_PLACE:
        return lacks(
            f"unlearning returned {call.returned}", "Return the network itself, or nothing and change the one that is given"
        )
    if call.wrapped:
        return weak(
            f"the network came back inside {call.wrapped}, and is taken out of it",
            f"Return the network that {call.wrapped} holds",
        )
    how = {"nothing": "in place, returning nothing", "the network it was given": "in place, and returned"}
    return has(how.get(call.returned, "another network is returned"))


def moves(call: Call) -> Finding:
    """Weights have other values afterwards."""
    if not call.moved:
        return lacks(
            "all weights are what they were",
            "Step an optimiser on net.parameters(); what is done to a copy counts only if the copy is returned",
        )
    if call.distance < 0:
        return has(f"{call.moved:.0%} of the weights")
    return has(f"{call.moved:.0%} of the weights, by {call.distance:.2g} of their norm")


def finite(call: Call) -> Finding:
    """No weight is NaN or infinite."""
    if call.not_finite:
        return lacks(
            f"NaN or infinity in {call.not_finite[0]} (of {len(call.not_finite)} such tensors)",
            "The learning rate is too high, or something is divided by zero: clip gradients, or take smaller steps",
        )
    return has("all weights are finite")


def architecture(call: Call, text: Text) -> Finding:
    """The network has the layers that it had, with weights of the same names and shapes.

    What a checkpoint loses besides does not matter to a solution that brings its own trainer: none is submitted.
    """
    if call.checkpoint:
        return lacks(
            f"{call.checkpoint}, so the competition cannot load its checkpoint",
            "Copy the weights that count back into the network that was given",
        )
    if call.structure and not text.trains:
        return lacks(
            f"unlearning changed {call.structure}, which a checkpoint of the competition loses",
            "Put it back before you return: only weights and buffers are submitted",
        )
    return has("layers, names and shapes are what they were")


def types(call: Call) -> Finding:
    """Weights have the type, and lie on the device, that they had."""
    if call.types:
        return lacks(call.types, "Bring the network back before you return, as by net.float()")
    return has("type and device of the weights are what they were")


def hooks(call: Call) -> Finding:
    """No hook is left."""
    if call.hooks:
        return lacks(
            f"left behind: {', '.join(call.hooks[:3])}",
            "Keep the handle that register_... returns, and call its remove() in `finally`",
        )
    return has("none is left behind")


def requires_grad(call: Call) -> Finding:
    """What was trainable is trainable."""
    if call.requires_grad:
        names = ", ".join(call.requires_grad[:3])
        return lacks(
            f"changed for {names} (of {len(call.requires_grad)})", "Set requires_grad back to what it was before you return"
        )
    return has("as it was")


def logits(call: Call) -> Finding:
    """In eval mode it gives finite logits of the right shape."""
    if call.fault_of_outputs:
        return lacks(call.fault_of_outputs, "The network must give a tensor of logits [images, classes]")
    return has("finite, one per class")


def independent_of_batch(call: Call) -> Finding:
    """In eval mode an image has the same logits in any batch."""
    if call.fault_of_outputs:
        return unknown("it gives no logits")
    if call.by_batch > BY_ROUNDING and call.by_call <= BY_ROUNDING:
        return lacks(
            f"alone an image has other logits than in a batch (by {call.by_batch:.0%} of their size)",
            "Batch normalisation must have running statistics and obey eval(); forward must look at one image at a time",
        )
    return has("an image has the same logits in any batch")


def same_outputs(call: Call) -> Finding:
    """In eval mode the same batch has the same logits each time."""
    if call.fault_of_outputs:
        return unknown("it gives no logits")
    if call.by_call > BY_ROUNDING:
        return lacks(
            f"the same images have other logits the second time (by {call.by_call:.0%} of their size)",
            "Nothing may be drawn in eval mode: dropout as a layer, nn.Dropout, obeys eval()",
        )
    return has("the same each time")


def data(call: Call) -> Finding:
    """Images and labels are what they were."""
    if call.data:
        return lacks(f"unlearning changed the {' and the '.join(call.data)} of the data set", "Work on copies: batch.clone()")
    return has("images and labels are what they were")


OF_CALL = (
    Property("completes", completes, ("call",), "call"),
    Property("gives a network", gives_network, ("call",)),
    Property("moves the weights", moves, ("call",)),
    Property("finite weights", finite, ("call",)),
    Property("same architecture", architecture, ("call", "text")),
    Property("same types", types, ("call",)),
    Property("no hooks left", hooks, ("call",)),
    Property("requires_grad", requires_grad, ("call",)),
    Property("gives logits", logits, ("call",)),
    Property("independent of the batch", independent_of_batch, ("call",)),
    Property("same outputs twice", same_outputs, ("call",)),
    Property("data as found", data, ("call",)),
)
