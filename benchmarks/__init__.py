"""Measurements, one command each, as ratios against a bare Flask route under the same server in the same run."""
