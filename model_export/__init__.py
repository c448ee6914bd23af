"""The offline exporter: a trained checkpoint in, a model directory out."""
