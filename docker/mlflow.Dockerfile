# An MLflow server that can use PostgreSQL, for compose.yaml.
ARG BASE_IMAGE=python:3.11-slim

FROM ${BASE_IMAGE}
LABEL org.opencontainers.image.title="gukbap-mlflow" \
      org.opencontainers.image.description="MLflow tracking server with a PostgreSQL driver" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY constraints.txt /tmp/constraints.txt
RUN python -m pip install --no-cache-dir --constraint /tmp/constraints.txt mlflow psycopg2-binary==2.9.13 \
 && rm /tmp/constraints.txt \
 && useradd --uid 10001 --gid 0 --create-home mlflow \
 && mkdir /home/mlflow/artifacts \
 && chown -R 10001:0 /home/mlflow \
 && chmod -R g=u /home/mlflow
ENV HOME=/home/mlflow \
    PYTHONUNBUFFERED=1
WORKDIR /home/mlflow
USER 10001
ENTRYPOINT ["mlflow"]
CMD ["server", "--host", "0.0.0.0"]
