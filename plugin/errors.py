"""The exception tree of the engine floor; every class is a `PolyrankError`, so the commands say it in one line.

PolyrankError
├── LockError             node-lock.json is missing or malformed
├── ArtifactError         a locked file cannot be downloaded, or is not the file that was locked
├── BuildError            our OpenSearch plugin does not compile or cannot be packed
├── NodeError             a node does not start, or its files cannot be placed
│   ├── OutOfMemoryError  less memory is free than the nodes asked for need
│   └── PortTakenError    a port that was asked for is in use
├── ServiceError          the model service does not start
└── ClusterError          OpenSearch cannot be reached, or refused a request
    ├── BusyError         it is too busy, restarting or out of reach: the same request may go through later
    └── RefusedError      it refused the request as a whole
"""

from rerank.errors import PolyrankError


class LockError(PolyrankError):
    """The lock file of the node is missing or malformed."""


class ArtifactError(PolyrankError):
    """A locked file cannot be downloaded, or what came is not the file that was locked."""


class BuildError(PolyrankError):
    """Our OpenSearch plugin does not compile or cannot be packed."""


class NodeError(PolyrankError):
    """A node does not start, or its files cannot be placed where its user can read them."""


class OutOfMemoryError(NodeError):
    """Less memory is free on this machine than the nodes that were asked for need."""


class PortTakenError(NodeError):
    """A port that was asked for is in use by another process."""


class ServiceError(PolyrankError):
    """The model service does not start or does not become ready."""


class ClusterError(PolyrankError):
    """OpenSearch cannot be reached, or it refused a request."""


class BusyError(ClusterError):
    """OpenSearch is too busy, restarting or out of reach: the same request may go through later."""


class RefusedError(ClusterError):
    """OpenSearch refused a request as a whole: `status` is HTTP's, `reason` its own words."""

    def __init__(self, doing: str, status: int, reason: str) -> None:
        super().__init__(f"{doing}: OpenSearch answered {status}: {reason}")
        self.status = status
        self.reason = reason
