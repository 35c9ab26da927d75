"""Exports of boxes to other tools."""
