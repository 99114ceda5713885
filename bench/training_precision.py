"""What bf16 saves in training on this CPU: steps of fp32 and of bf16 autocast in turn, on one thread.

python -m bench.training_precision MODEL_FOLDER
"""

import time
from pathlib import Path

import click
import torch
from transformers import AutoModelForSequenceClassification

TOKENS = 64


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--rounds", default=4, show_default=True, help="Steps of each precision.")
@click.option("--pairs", default=32, show_default=True, help="Pairs of 64 tokens in a step.")
@click.option("--threads", default=1, show_default=True, help="Threads of torch.")
def main(model: Path, rounds: int, pairs: int, threads: int) -> None:
    """Time forward and backward of pairs through MODEL; print the medians in seconds."""
    torch.set_num_threads(threads)
    loaded = AutoModelForSequenceClassification.from_pretrained(model, num_labels=1)
    ids = torch.randint(1000, 20000, (pairs, TOKENS), generator=torch.Generator().manual_seed(1))
    seconds: dict[str, list[float]] = {"fp32": [], "bf16": []}
    for _ in range(rounds + 1):
        for name, times in seconds.items():
            start = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=name == "bf16"):
                loss = loaded(input_ids=ids).logits.float().square().mean()
            loss.backward()
            times.append(time.perf_counter() - start)
    for name, times in seconds.items():
        click.echo(f"{name}: {sorted(times[1:])[rounds // 2]:.2f} s a step of {pairs} pairs x {TOKENS} tokens")


if __name__ == "__main__":
    main()
