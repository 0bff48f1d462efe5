# Answering with vLLM on GPUs, and vLLM's server as a teacher or judge, on top of vLLM's own image. That
# one brings a C compiler on purpose: Triton compiles its kernels' launchers when a model is loaded.
#
#   python tools/build_images.py vllm
ARG BASE_IMAGE=vllm/vllm-openai:v0.32.0

FROM ${BASE_IMAGE} AS project
ARG PIP_INDEX_URL
ARG PIP_EXTRA_INDEX_URL
ENV SOURCE_DATE_EPOCH=315532800
WORKDIR /build
COPY pyproject.toml constraints.txt docker/requirements.py ./
# vLLM is built for the exact packages of its image, so these are held; constraints.txt holds the rest.
# --root gathers what is new in a folder of its own.
RUN python3 requirements.py vllm > requirements.txt \
 && python3 -m pip list --format=freeze > image.txt \
 && awk -F '==' '{ name = tolower($1); gsub(/[-_.]+/, "-", name) } \
      NR == FNR { held[name]; next } !(name in held)' image.txt constraints.txt > rest.txt \
 && python3 -m pip install --no-cache-dir --root /project \
      --constraint image.txt --constraint rest.txt --requirement requirements.txt
COPY README.md LICENSE ./
COPY tools/kernels.py tools/
COPY src src
COPY components components
COPY pipelines pipelines
RUN python3 -m pip wheel --no-cache-dir --no-deps --wheel-dir wheels . \
 && python3 -m pip install --no-cache-dir --no-deps --root /project wheels/gukbap-*.whl

FROM ${BASE_IMAGE}
ARG BASE_IMAGE
COPY --from=project /project /
RUN useradd --uid 10001 --gid 0 --create-home gukbap \
 && mkdir -p /home/gukbap/runs /home/gukbap/.cache/huggingface \
 && chown -R 10001:0 /home/gukbap \
 && chmod -R g=u /home/gukbap
# USER: an arbitrary user number has no name in the image, and some libraries ask for one.
ENV HOME=/home/gukbap \
    USER=gukbap \
    HF_HOME=/home/gukbap/.cache/huggingface \
    MPLCONFIGDIR=/home/gukbap/.cache/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR /home/gukbap
# By number: Kubernetes checks runAsNonRoot without knowing the image's user names.
USER 10001:0
ENTRYPOINT ["gukbap"]
CMD ["--help"]
# Last, so that another commit with the same code changes no layer.
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="gukbap-vllm" \
      org.opencontainers.image.description="gukbap: answering with vLLM" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE_IMAGE}"
