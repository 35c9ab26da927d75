"""Audits and histories in the forms of other tools; none of those tools is imported to write a file."""

from labelaudit.exporting.aum import write_aum
from labelaudit.exporting.cartography import write_cartography

__all__ = ["write_aum", "write_cartography"]
