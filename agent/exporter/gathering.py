"""Samples of declared metrics, in the form prometheus_client renders."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily

from agent.exporter.metrics import METRICS, Metric

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric as Family

LABEL_LIMIT = 200


class Gathering:
    """What is to be shown; `collect` gives it in the order of the declarations, which makes it a collector."""

    def __init__(self) -> None:
        self._samples: dict[str, dict[tuple[str, ...], float]] = {}

    def add(self, name: str, value: float | None, *labels: str) -> None:
        """Add one sample of a declared metric; None (nothing to say) adds none. The same labels twice: the last."""
        if value is None:
            return
        if len(labels) != len(METRICS[name].labels):
            raise ValueError(f"{name} has labels {METRICS[name].labels}, not {labels}")
        self._samples.setdefault(name, {})[tuple(map(_clean, labels))] = float(value)

    def value(self, name: str, *labels: str) -> float | None:
        """Return a sample that was added, or None."""
        return self._samples.get(name, {}).get(labels)

    def series(self, name: str) -> dict[tuple[str, ...], float]:
        """Return all samples of a metric by labels."""
        return dict(self._samples.get(name, {}))

    def collect(self) -> Iterator[Family]:
        """Yield the families."""
        for name, metric in METRICS.items():
            if name in self._samples:
                yield _family(metric, self._samples[name])


def _family(metric: Metric, samples: dict[tuple[str, ...], float]) -> Family:
    if metric.kind == "info":
        info = InfoMetricFamily(metric.name.removesuffix("_info"), metric.help, labels=())
        for labels in samples:
            info.add_metric((), dict(zip(metric.labels, labels, strict=True)))
        return info
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    family = kind(metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name, metric.help,
                  labels=metric.labels)
    for labels, value in samples.items():
        family.add_metric(labels, value)
    return family


def _clean(label: str) -> str:
    """Return a label that can be written: bounded, no lone surrogates, no control characters."""
    text = label.encode("utf-8", "replace").decode("utf-8")[:LABEL_LIMIT]
    return "".join(letter if letter.isprintable() else "?" for letter in text)
