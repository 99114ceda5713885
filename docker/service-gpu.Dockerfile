# The model service on an NVIDIA GPU. onnxruntime-gpu takes the place of onnxruntime: both install the same module.
#   docker build -f docker/service-gpu.Dockerfile -t polyrank-service-gpu .
FROM nvidia/cuda:12.6.3-cudnn-runtime-ubuntu24.04
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 python3-venv \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 polyrank
WORKDIR /src
COPY pyproject.toml README.md ./
COPY rerank rerank
COPY plugin plugin
COPY ingest ingest
RUN python3 -m venv /opt/polyrank \
    && /opt/polyrank/bin/pip install --no-cache-dir '.[otel,cjk]' \
    && /opt/polyrank/bin/pip uninstall --yes onnxruntime \
    && /opt/polyrank/bin/pip install --no-cache-dir 'onnxruntime-gpu>=1.20,<2'
ENV PATH=/opt/polyrank/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    POLYRANK_HOME=/home/polyrank/.cache/polyrank
USER 10001
WORKDIR /home/polyrank
EXPOSE 8808
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=90s \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8808/ready', timeout=2)"]
ENTRYPOINT ["rerank", "serve", "--host", "0.0.0.0", "--port", "8808", "--log-format", "json", "--device", "cuda"]
CMD ["--access-log"]
