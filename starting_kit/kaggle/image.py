"""What Kaggle's Python image has, as far as solutions import it."""

import sys

from starting_kit.contract import Solution
from starting_kit.imports import imports

# Names under which packages are imported. From kaggle_requirements.txt of github.com/Kaggle/docker-python (commit 01d659b), and
# for the Colab image on which that builds, from pip-freeze.gpu.txt of github.com/googlecolab/backend-info (commit 03a8903, June
# 2026). Only those that code on images and networks may want.
NAMES = """
absl accelerate albumentations bayes_opt cachetools catboost category_encoders click cloudpickle cupy cv2 cvxpy Cython
dask datasets dateutil diffusers dill einops fastai fastcore filelock flax fsspec gensim h5py huggingface_hub hyperopt
imageio imblearn IPython ipywidgets jax jaxlib joblib kaggle kagglehub keras kornia lightgbm lime llvmlite matplotlib
ml_dtypes mlxtend mpmath msgpack nbformat networkx nltk numba numexpr numpy omegaconf onnx opt_einsum optax optuna
packaging pandas peft PIL pkg_resources plotly polars psutil pyarrow pydantic pytest pytorch_lightning ray requests rich
safetensors scipy seaborn sentence_transformers sentencepiece setuptools shap six skimage sklearn skopt sortedcontainers
spacy statsmodels sympy tabulate tensorboard tensorflow termcolor threadpoolctl tifffile timm tokenizers toml tomlkit
torch torchao torchaudio torchdata torchinfo torchmetrics torchsummary torchtune torchvision tqdm transformers triton
typing_extensions umap wandb xgboost yaml zstandard
"""
HAS = frozenset(NAMES.split())


def missing(solution: Solution) -> list[str]:
    """Modules that a solution and the modules packaged with it import, and that Kaggle's image is not known to have."""
    packaged = {name.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for name in solution.sources}
    ours = {name.partition(".")[0] for name in packaged}
    wanted: set[str] = set()
    for file, text in solution.sources.items():
        package = ".".join(file.split("/")[:-1])
        for name, members in imports(text, package):
            top = name.partition(".")[0]
            if top in ours:
                found = name in packaged or any(f"{name}.{member}" in packaged for member in members)
                wanted |= set() if found else {name}
            elif top not in HAS and top not in sys.stdlib_module_names:
                wanted.add(top)
    return sorted(wanted)
