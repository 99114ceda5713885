"""Where a translation model is: in a folder, or on the model hub."""

from pathlib import Path

from rerank.errors import ResourceError


def model_folder(model: str | Path) -> Path:
    """Return a model's folder, fetched from the hub when it is no folder here.

    Raises:
        ResourceError: there is neither.
    """
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(str(model)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        reason = " ".join(str(error).split())
        raise ResourceError(f"there is no folder {model}, and the hub does not give it: {reason}") from error
