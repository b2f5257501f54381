"""The images that a solution makes up, as a picture."""

import io

from torch import nn

from evaluation.populations.materials import load_data, original_model, printing_to, require_unchanged
from evaluation.populations.population import Population
from starting_kit import runner

SMALLEST_PICTURE = 32  # pixels across; smaller images are drawn enlarged


def draw(population: Population) -> bytes:
    """What a solution makes up on the way to model 0, a grid of images as a PNG, each stretched to its own range of values.

    Small images are enlarged.

    Raises:
        SolutionError: the solution raised, or what it gave is not a grid of images.
    """
    from torchvision.utils import save_image  # half a second to import

    solution, batches, original = population.unlearning()
    require_unchanged(solution)
    runner.start_afresh(population.model_seed(0))
    try:
        with printing_to(population, "pictures"):
            net, data = original_model(original), load_data(population.task)
            images = runner.draw(solution, net, population.task, data, batches, population.device, population.data_free)
    finally:
        runner.start_afresh(seed=0)
    file = io.BytesIO()
    times = -(-SMALLEST_PICTURE // images.shape[-1])
    enlarged = nn.functional.interpolate(images.flatten(0, 1).float(), scale_factor=times)  # each pixel to a square
    save_image(enlarged, file, "png", nrow=images.shape[1], normalize=True, scale_each=True, pad_value=1)
    return file.getvalue()
