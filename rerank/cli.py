"""`rerank`: serve, verify, export and quantize text models. Thin: parse, call one function, print."""

import click

from rerank.benchmark.cli import bench
from rerank.command_group import ErrorsInOneLine
from rerank.data.cli import data
from rerank.evaluation.cli import evaluate
from rerank.exporting.cli import export_onnx, verify
from rerank.exporting.ship_cli import card, package, pull
from rerank.quantization.cli import quantize
from rerank.service.cli import serve
from rerank.service.token_cli import token
from rerank.training.cli import train
from rerank.understanding.expansion_cli import expansions


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
