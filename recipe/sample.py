"""Every n-th query of a file of training pairs, with all its documents: enough to calibrate a quantization on."""

from pathlib import Path

import click

from rerank.training.pairs import read_pairs, write_pairs


@click.command()
@click.argument("pairs", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--every", default=5, show_default=True, help="Keep one query in so many.")
def main(pairs: Path, out: Path, every: int) -> None:
    """Write the pairs of every n-th query of PAIRS to OUT."""
    rows = read_pairs(pairs)
    kept = set(list(dict.fromkeys(row.query for row in rows))[::every])
    click.echo(f"{write_pairs(out, [row for row in rows if row.query in kept])} pairs of {len(kept)} queries")


if __name__ == "__main__":
    main()
