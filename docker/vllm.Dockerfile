# Answering with vLLM on GPUs, on top of vLLM's own image.
#   python tools/build_images.py vllm
ARG BUILD_IMAGE=python:3.11-slim
ARG BASE_IMAGE=vllm/vllm-openai:v0.32.0

FROM ${BUILD_IMAGE} AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY components components
COPY pipelines pipelines
RUN python -m pip wheel --no-cache-dir --no-deps --wheel-dir /wheels .

FROM ${BASE_IMAGE}
ARG BASE_IMAGE
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="gukbap-vllm" \
      org.opencontainers.image.description="gukbap: answering with vLLM" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
COPY constraints.txt /tmp/install/
COPY --from=build /wheels /tmp/install
# vLLM is built for the exact packages of its image, so these are held; constraints.txt holds the rest.
RUN python3 -m pip list --format=freeze > /tmp/install/image.txt \
 && awk -F '==' '{ name = tolower($1); gsub(/[-_.]+/, "-", name) } \
      NR == FNR { held[name]; next } !(name in held)' \
      /tmp/install/image.txt /tmp/install/constraints.txt > /tmp/install/rest.txt \
 && set -- /tmp/install/gukbap-*.whl \
 && python3 -m pip install --no-cache-dir \
      --constraint /tmp/install/image.txt --constraint /tmp/install/rest.txt "$1[kfp,tracking]" \
 && rm -r /tmp/install \
 && useradd --uid 10001 --gid 0 --create-home gukbap \
 && mkdir -p /home/gukbap/runs /home/gukbap/.cache/huggingface \
 && chown -R 10001:0 /home/gukbap \
 && chmod -R g=u /home/gukbap
ENV HOME=/home/gukbap \
    HF_HOME=/home/gukbap/.cache/huggingface \
    PYTHONUNBUFFERED=1
WORKDIR /home/gukbap
# By number: Kubernetes checks runAsNonRoot without knowing the image's user names.
USER 10001
ENTRYPOINT ["gukbap"]
CMD ["--help"]
