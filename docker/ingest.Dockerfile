# Ingest with every feed format, and FreeDict's dictionaries to translate with. Runs once; a scheduler starts it again.
#   docker build -f docker/ingest.Dockerfile -t polyrank-ingest .
FROM python:3.11-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends \
        dict-freedict-deu-eng dict-freedict-eng-deu dict-freedict-fra-eng dict-freedict-eng-fra \
        dict-freedict-spa-eng dict-freedict-eng-spa dict-freedict-ita-eng dict-freedict-eng-ita \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 polyrank
WORKDIR /src
COPY pyproject.toml README.md ./
COPY rerank rerank
COPY plugin plugin
COPY ingest ingest
RUN python -m venv /opt/polyrank \
    && /opt/polyrank/bin/pip install --no-cache-dir '.[parquet,sql,cjk]'
ENV PATH=/opt/polyrank/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    POLYRANK_HOME=/home/polyrank/.cache/polyrank
USER 10001
WORKDIR /home/polyrank
ENTRYPOINT ["ingest"]
CMD ["--help"]
