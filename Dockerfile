# fhir_pmp: one image for `serve`, `sync` and `migrate`.
# The base image is named by the tag of one release. A digest would also refuse the rebuilds of that release, which bring
# Debian's security fixes.
FROM python:3.11.13-slim-bookworm AS wheel
WORKDIR /source
COPY requirements/build.lock requirements/build.lock
RUN pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: -r requirements/build.lock && pip check
COPY pyproject.toml README.md ./
COPY mappings mappings
COPY fhir_pmp fhir_pmp
RUN pip wheel --no-cache-dir --no-build-isolation --no-deps --no-index --wheel-dir dist .

FROM python:3.11.13-slim-bookworm
RUN useradd --system --create-home --home-dir /var/lib/fhir_pmp fhir_pmp
COPY requirements/runtime.lock /tmp/runtime.lock
RUN pip install --no-cache-dir --require-hashes --no-deps --only-binary :all: -r /tmp/runtime.lock && rm /tmp/runtime.lock
COPY --from=wheel /source/dist/*.whl /tmp/
RUN pip install --no-cache-dir --no-deps --no-index /tmp/*.whl && rm /tmp/*.whl && pip check
USER fhir_pmp
WORKDIR /var/lib/fhir_pmp
ENV PYTHONUNBUFFERED=1
EXPOSE 8000
ENTRYPOINT ["fhir-pmp"]
CMD ["serve"]
