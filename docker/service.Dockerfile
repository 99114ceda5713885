# The model service on CPU: two stages, so that the image holds no compiler and no package cache.
#   docker build -f docker/service.Dockerfile -t polyrank-service .
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md ./
COPY rerank rerank
COPY plugin plugin
COPY ingest ingest
RUN python -m venv /opt/polyrank \
    && /opt/polyrank/bin/pip install --no-cache-dir '.[otel,cjk]'

FROM python:3.11-slim
RUN useradd --create-home --uid 10001 polyrank
COPY --from=build /opt/polyrank /opt/polyrank
ENV PATH=/opt/polyrank/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    POLYRANK_HOME=/home/polyrank/.cache/polyrank
USER 10001
EXPOSE 8808
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8808/ready', timeout=2)"]
ENTRYPOINT ["rerank", "serve", "--host", "0.0.0.0", "--port", "8808", "--log-format", "json"]
CMD ["--access-log"]
