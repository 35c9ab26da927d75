"""Embeddings: look-alikes, duplicates, uniqueness, and pictures of the data. See docs/embeddings.md."""

from labelaudit.embedding.embeddings import Embeddings
from labelaudit.embedding.files import file_duplicates
from labelaudit.embedding.similarity import Similarity
from labelaudit.embedding.visualization import Visualization

__all__ = ["Embeddings", "Similarity", "Visualization", "file_duplicates"]
