"""Histories of detections: what a detector drew on every image in every epoch, and the ground truth, kept once."""
