"""Bundles on their way in and out: export with parity, download, packages, model cards."""
