# Latchkey as an image: `docker build -t latchkey .`; docs/deploy.md says how it is run.
FROM python:3.11-slim-bookworm AS build
WORKDIR /app
# requirements-otel.lock adds OpenTelemetry: `--build-arg LOCK=requirements-otel.lock`.
ARG LOCK=requirements.lock
COPY pyproject.toml requirements.lock requirements-otel.lock README.md ./
RUN python -m venv .venv \
 && .venv/bin/pip install --no-cache-dir --no-deps --require-hashes --only-binary :all: --requirement "$LOCK"
COPY . .
RUN .venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation --editable . \
 && .venv/bin/python -m compileall -q -j 0 .venv app.py wsgi.py latchkey web portal oauth api cli migrations

FROM python:3.11-slim-bookworm
RUN groupadd --gid 10001 latchkey \
 && useradd --uid 10001 --gid latchkey --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin latchkey \
 && install -d -o latchkey -g latchkey -m 0700 /data
COPY --from=build /app /app
WORKDIR /app
ENV PATH=/app/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 LATCHKEY_INSTANCE=/data
USER 10001:10001
VOLUME /data
EXPOSE 5000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:5000/readyz', timeout=4)"]
CMD ["latchkey", "serve", "--host", "0.0.0.0", "--port", "5000"]
