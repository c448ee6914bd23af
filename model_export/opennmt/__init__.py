"""What OpenNMT-py's checkpoints and Eole's, its successor's, have in common."""
