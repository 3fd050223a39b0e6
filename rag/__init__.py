"""Chat-style question answering over daily arXiv digests."""
