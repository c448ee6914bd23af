"""Programs that measure seq2serve, most of them against a peer, and print a table."""
