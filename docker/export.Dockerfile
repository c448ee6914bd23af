# The exporter. It reads and writes below /data:
#
#   docker build -f docker/export.Dockerfile -t seq2serve:export .
#   docker run --rm --network none --user "$(id -u):$(id -g)" -v "$PWD:/data" \
#       seq2serve:export convert checkpoint models/fr-en

# By tag, so that a rebuild takes in fixes; write a digest instead for builds that can be repeated.
FROM python:3.12-slim-trixie AS python

FROM python AS build
RUN python -m venv --without-pip /opt/venv
COPY requirements/export.txt /build/requirements.txt
RUN pip --python /opt/venv/bin/python install --no-cache-dir --disable-pip-version-check \
        --no-deps --only-binary :all: --require-hashes -r /build/requirements.txt
# a+rX: the checkout may come from a user whose files nobody else may read.
COPY service /build/app/service
COPY model_export /build/app/model_export
RUN python -m compileall -q --invalidation-mode unchecked-hash /build/app \
    && chmod -R a+rX /build/app

FROM python
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="seq2serve exporter" \
      org.opencontainers.image.description="Turn a trained checkpoint into a model directory for seq2serve" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
COPY --from=build /opt/venv /opt/venv
COPY --from=build /build/app /app
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONPATH=/app \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1
WORKDIR /data
USER 10001:10001
# It runs once and ends: its exit status says how it went.
HEALTHCHECK NONE
ENTRYPOINT ["python", "-m", "model_export"]
