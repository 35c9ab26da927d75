"""What a detection audit found, box by box: for the report and the review."""
