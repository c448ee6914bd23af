"""What readers of Hugging Face checkpoints have in common."""
