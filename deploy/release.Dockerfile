# The image of a release, from a static program that `deploy/release` has built: it copies, and so any machine builds it for any
# architecture. The context is a folder with the programs, the certificates of authorities, and an empty folder for the state.
FROM scratch
ARG TARGETARCH
ARG VERSION=""
ARG REVISION=""
ARG CREATED=""
LABEL org.opencontainers.image.title="quotefold" \
      org.opencontainers.image.description="Folds many price quotes into one price, and shows the proof" \
      org.opencontainers.image.licenses="MIT OR Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.created="$CREATED"
# what calls to sources are checked against
COPY ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --chmod=0755 quotefold-${TARGETARCH} /usr/local/bin/quotefold
# where the state may be kept: a volume that is mounted there takes over whose it is
COPY --chown=65532:65532 state /var/lib/quotefold
# named by number, because some clusters refuse a user that they cannot tell from root
USER 65532:65532
ENV PATH=/usr/local/bin
ENV QUOTEFOLD_SERVER__LISTEN=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=6s --start-period=5s --retries=3 CMD ["quotefold", "health", "--live"]
ENTRYPOINT ["quotefold"]
CMD ["serve"]
