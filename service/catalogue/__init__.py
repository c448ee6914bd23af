"""Several models behind one service: which of them translates what, and which are in memory."""
