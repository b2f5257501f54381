"""How the time to learn a forgotten class again is measured; `scoring.anamnesis` says why so."""

MODELS = 5  # of each population: relearning one takes about as long as a part of a training
MARGIN = 0.05
LEARNING_RATE = 1e-3
EPOCHS, BATCHES = 10, 2000  # both are allowed
IMAGES = 256  # so many measure an accuracy of 95 % to 1.4 %, at a fraction of what a batch costs
METHOD = 1  # raised when relearn times would come out otherwise with the same settings
