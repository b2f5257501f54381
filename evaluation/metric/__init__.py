"""From outputs to numbers: confidences, ε, forgetting quality, accuracy ratios, intervals. Arrays in, numbers out."""
