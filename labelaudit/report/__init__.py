"""The report: one self-contained HTML file, the same inline in a notebook, and figures for papers."""
