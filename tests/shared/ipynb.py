"""Notebooks for tests."""

from __future__ import annotations

import json


def code(source, *tags, **fields):
    """A cell that has been run before."""
    old = [{"output_type": "stream", "name": "stdout", "text": ["old\n"]}]
    metadata = {"tags": list(tags)} if tags else {}
    whole = {"cell_type": "code", "metadata": metadata, "source": source, "outputs": old, "execution_count": 7}
    return {**whole, **fields}


def prose(source, **fields):
    return {"cell_type": "markdown", "metadata": {}, "source": source, **fields}


def notebook(*cells, **fields):
    """Its text; a string is a cell of code."""
    whole = [code(cell) if isinstance(cell, str) else cell for cell in cells]
    return json.dumps({"nbformat": 4, "nbformat_minor": 4, "metadata": {}, "cells": whole, **fields})
