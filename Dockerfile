# fhir_pmp: one image for `serve`, `sync` and `migrate`.
FROM python:3.11-slim AS wheel
WORKDIR /source
COPY requirements/dev.lock requirements/dev.lock
# Only what builds the wheel, pinned as the lock pins it.
RUN pip install --no-cache-dir "$(grep -oE '^hatchling==[^ ]+' requirements/dev.lock)"
COPY pyproject.toml README.md ./
COPY mappings mappings
COPY fhir_pmp fhir_pmp
RUN hatchling build -t wheel

FROM python:3.11-slim
RUN useradd --system --create-home --home-dir /var/lib/fhir_pmp fhir_pmp
COPY requirements/runtime.lock /tmp/runtime.lock
RUN pip install --no-cache-dir --require-hashes -r /tmp/runtime.lock && rm /tmp/runtime.lock
COPY --from=wheel /source/dist/*.whl /tmp/
RUN pip install --no-cache-dir --no-deps /tmp/*.whl && rm /tmp/*.whl
USER fhir_pmp
WORKDIR /var/lib/fhir_pmp
ENV PYTHONUNBUFFERED=1
EXPOSE 8000
ENTRYPOINT ["fhir-pmp"]
CMD ["serve"]
