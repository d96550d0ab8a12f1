"""What training takes, and what is on disk: once a run, because a training repeats itself to the second."""

from __future__ import annotations

from benchmarks import footprint, stock
from benchmarks.bench import Bench
from benchmarks.results import OURS, STOCK, Part

NAME = "training"


def measure(bench: Bench) -> Part:
    """Our Rasa model and the safety's soft layer from nothing; stock's as kept from its training; sizes on disk."""
    part = Part(NAME, rounds=1)
    folder = bench.folder / "training"
    folder.mkdir()
    bench.say("training our Rasa model from nothing")
    seconds, cpu = footprint.train(folder)
    part.samples.add(OURS, training_s=seconds, training_cpu_s=cpu)
    if bench.plan.soft_training:
        bench.say("training the safety's soft layer from nothing (some minutes)")
        seconds, cpu = footprint.train_soft(folder)
        part.samples.add(OURS, soft_training_s=seconds, soft_training_cpu_s=cpu)
    needed, with_tools = footprint.environment_mb()
    image, counted = footprint.image_mb(needed, bench.say)
    part.samples.add(OURS, environment_mb=needed, image_mb=image)
    part.notes.append(f"Environment: {with_tools:.0f} MB with the tools of tests and development. Image: {counted}.")
    trained = bench.stock_trained
    if trained is not None:
        part.samples.add(STOCK, training_s=trained.seconds, training_cpu_s=trained.cpu_seconds)
        part.samples.add(STOCK, environment_mb=stock.environment_mb())
        if trained.seconds is not None:
            part.notes.append(f"Stock's training was {trained.note}.")
    return part
