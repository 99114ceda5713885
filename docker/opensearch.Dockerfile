# OpenSearch with the polyrank plugin. The first stage compiles it against the jars of plugin/node-lock.json.
#   docker build -f docker/opensearch.Dockerfile -t polyrank-opensearch .
FROM python:3.11-slim AS build
WORKDIR /src
COPY pyproject.toml README.md ./
COPY rerank rerank
COPY plugin plugin
COPY ingest ingest
RUN pip install --no-cache-dir . \
    && plugin build --out /dist

FROM opensearchproject/opensearch:3.5.0
COPY --from=build --chown=1000:1000 /dist /tmp/polyrank
RUN for zip in /tmp/polyrank/polyrank-opensearch-*.zip; do \
        bin/opensearch-plugin install --batch "file://$zip" || exit 1; \
    done
