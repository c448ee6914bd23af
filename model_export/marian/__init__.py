"""What Marian's own checkpoints are made of: files, options, vocabularies, weights."""
