"""Admin endpoints: load, reload and unload models while serving. They exist only for callers with an admin token."""

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rerank.bundle import load_bundle
from rerank.errors import BundleError
from rerank.service.body import read_body
from rerank.service.faults import RefusedValue
from rerank.service.requests import RESOURCE_NAME
from rerank.service.shelf import describe
from rerank.service.state import ServiceState


async def load(state: ServiceState, request: Request) -> Response:
    """Answer POST /admin/models {"bundle": NAME, "default": false}: load a bundle of the models folder.

    One of the same name is replaced after the requests that it has.

    Raises:
        UnknownModel: there is no such bundle.
        BundleError: it cannot be used.
    """
    data = await read_body(request, state.limits)
    name, default = data.get("bundle"), data.get("default", False)
    if not isinstance(name, str) or not RESOURCE_NAME.fullmatch(name):
        raise RefusedValue("`bundle` must be the plain name of a folder among the models")
    if not isinstance(default, bool):
        raise RefusedValue("`default` must be true or false")
    path = state.models.bundle(name)

    def add() -> Any:
        shelf = state.models.shelf(load_bundle(path).manifest.task)
        return describe(shelf.add(path, default=default).manifest)

    return JSONResponse(await _in_thread(add), status_code=201)


async def reload(state: ServiceState, request: Request) -> Response:
    """Answer POST /admin/models/TASK/NAME/reload: read a bundle again from its folder."""
    shelf = state.models.shelf(request.path_params["task"])

    name = request.path_params["name"]
    return JSONResponse(await _in_thread(lambda: describe(shelf.reload(name).manifest)))


async def unload(state: ServiceState, request: Request) -> Response:
    """Answer DELETE /admin/models/TASK/NAME: unload a model after the requests that it has."""
    shelf = state.models.shelf(request.path_params["task"])
    name = request.path_params["name"]
    await asyncio.to_thread(shelf.remove, name)
    return JSONResponse({"unloaded": name})


async def _in_thread(job: Callable[[], Any]) -> Any:
    """Run it beside the event loop; a bundle that cannot be used is the caller's error here."""
    try:
        return await asyncio.to_thread(job)
    except BundleError as error:
        raise RefusedValue(str(error)) from error
