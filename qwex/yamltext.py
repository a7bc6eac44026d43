"""Data as YAML for people: texts of several lines as blocks, keys in their own order."""

from __future__ import annotations

from typing import Any

__all__ = ["dump"]


def dump(data: Any) -> str:
    """YAML that reads back as the same data."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Writes a text of several lines as a block, whatever spaces end its lines."""

        def analyze_scalar(self, scalar: str) -> Any:
            found: Any = super().analyze_scalar(scalar)
            found.allow_block = found.allow_block or _prints(scalar)
            return found

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        # Only between double quotes does every sign come back as it was.
        style = '"' if not _prints(value) else "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)

    Dumper.add_representer(str, text)
    return str(yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120))


def _prints(text: str) -> bool:
    return all(sign.isprintable() or sign in "\n\t" for sign in text)
