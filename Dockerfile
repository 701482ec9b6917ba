# metadisco on CPU.
#   docker build --tag metadisco .
#   docker run --rm --volume "$PWD/runs:/data/runs" metadisco evolve /opt/metadisco/experiments/value_loss/demo.yaml --run runs/first
FROM python:3.12-slim-bookworm

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1 \
    JAX_PLATFORMS=cpu

WORKDIR /opt/metadisco
COPY . .
RUN pip install . \
    && useradd --create-home --uid 1000 researcher \
    && install --directory --owner=researcher /data

USER 1000
WORKDIR /data
ENTRYPOINT ["metadisco"]
CMD ["--help"]
