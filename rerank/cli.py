"""`rerank`: serve, verify, export and quantize text models. Thin: parse, call one function, print."""

import click

from rerank.bench_cli import bench
from rerank.bundle_cli import export_onnx, verify
from rerank.command_group import ErrorsInOneLine
from rerank.data_cli import data
from rerank.evaluate_cli import evaluate
from rerank.expansion_cli import expansions
from rerank.quantize_cli import quantize
from rerank.serve_cli import serve
from rerank.ship_cli import card, package, pull
from rerank.token_cli import token
from rerank.train_cli import train


@click.group(cls=ErrorsInOneLine)
@click.version_option(package_name="polyrank")
def main() -> None:
    """Train, export, quantize and serve the models that rerank and embed."""


for command in (
    serve,
    token,
    expansions,
    data,
    train,
    export_onnx,
    quantize,
    evaluate,
    bench,
    pull,
    verify,
    card,
    package,
):
    main.add_command(command)
