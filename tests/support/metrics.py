"""Metrics as Prometheus reads them, for tests."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families


class Scraped(dict[tuple[str, frozenset[tuple[str, str]]], float]):
    """Samples by name and labels."""

    @classmethod
    def of(cls, text: str | bytes) -> Scraped:
        text = text if isinstance(text, str) else text.decode()
        samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
        return cls({(one.name, frozenset(one.labels.items())): one.value for one in samples})

    @classmethod
    def of_registry(cls, registry: CollectorRegistry) -> Scraped:
        return cls.of(generate_latest(registry))

    def value(self, name: str, **labels: Any) -> float:
        """Of the sample with exactly these labels; 0 where there is none."""
        return self.get((name, frozenset(labels.items())), 0.0)

    def total(self, name: str) -> float:
        return sum(value for (found, _), value in self.items() if found == name)

    def names(self) -> set[str]:
        return {name for name, _ in self}

    def labels(self) -> set[str]:
        """Every value of every label."""
        return {value for _, labels in self for _, value in labels}
