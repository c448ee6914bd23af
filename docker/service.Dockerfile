# The service with the default model, for the CPU, for an NVIDIA GPU, or for a Ray cluster (on the CPU):
#
#   docker build -f docker/service.Dockerfile -t seq2serve:cpu --build-arg FLAVOUR=cpu .
#   docker build -f docker/service.Dockerfile -t seq2serve:gpu --build-arg FLAVOUR=gpu .
#   docker build -f docker/service.Dockerfile -t seq2serve:cluster --build-arg FLAVOUR=cluster .
#   docker run --init --read-only --tmpfs /tmp -p 8080:8080 seq2serve:cpu
#
# To serve another model, mount its directory read-only and name it:
#
#   -v "$PWD/models/de-en:/models/de-en:ro" -e SEQ2SEQ_MODEL__DIRECTORY=/models/de-en

ARG FLAVOUR=cpu

# By tag, so that a rebuild takes in fixes; write a digest instead for builds that can be repeated.
FROM python:3.12-slim-trixie AS python

FROM python AS build
ARG FLAVOUR
# strip; whichever version is there.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends binutils \
    && rm -rf /var/lib/apt/lists/*
COPY requirements/${FLAVOUR}.txt /build/requirements.txt
COPY docker/install /build/install
RUN /build/install /build/requirements.txt /opt/venv
# a+rX: the checkout may come from a user whose files nobody else may read.
COPY models /build/models
RUN chmod -R a+rX /build/models
COPY service /build/app/service
RUN python -m compileall -q --invalidation-mode unchecked-hash /build/app \
    && chmod -R a+rX /build/app

FROM python AS runtime
COPY --from=build /opt/venv /opt/venv
COPY --from=build /build/models /models
COPY --from=build /build/app /app
WORKDIR /app
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    SEQ2SEQ_MODEL__DIRECTORY=/models/fr-en \
    SEQ2SEQ_SERVER__HOST=0.0.0.0 \
    SEQ2SEQ_SERVER__PORT=8080

FROM runtime AS flavour-cpu
ENV SEQ2SEQ_RUNTIME__DEVICE=cpu

# Built and checked without a GPU; it has not run on one yet. No cuDNN: no graph needs it.
FROM runtime AS flavour-gpu
ENV SEQ2SEQ_RUNTIME__DEVICE=cuda \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

# Nodes of a Ray cluster are started by `ray start`, such as by KubeRay; not built yet.
FROM flavour-cpu AS flavour-cluster
ENV RAY_USAGE_STATS_ENABLED=0

# One of the three above.
# checkov:skip=CKV_DOCKER_7:a stage of this file has no tag
# hadolint ignore=DL3006
FROM flavour-${FLAVOUR}
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="seq2serve" \
      org.opencontainers.image.description="Serve trained sequence-to-sequence models over REST with ONNX Runtime" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# By number, so that an orchestrator can see that it is not root.
USER 10001:10001
EXPOSE 8080
# Failures in the start period do not count; readiness ends it.
HEALTHCHECK --start-period=60s --interval=10s --timeout=5s --retries=3 \
    CMD ["python", "-ISc", "import http.client, os, sys; connection = http.client.HTTPConnection('localhost', int(os.environ['SEQ2SEQ_SERVER__PORT']), timeout=4); connection.request('GET', '/health/ready'); sys.exit(connection.getresponse().status != 200)"]
ENTRYPOINT ["python", "-m", "service"]
