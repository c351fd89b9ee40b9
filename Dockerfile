# The image holds one static binary, the certificates of public authorities and
# an empty state directory, and nothing else: no shell, no package manager.
#
#   docker build --build-arg VERSION=v1.2.3 -t sluice .
#
# It does not need BuildKit, because docker-compose 1.29 may build without it.
FROM golang:1.26 AS build
WORKDIR /src

# Modules change less often than code, so they have their own layer.
COPY go.mod go.sum ./
RUN go mod download

COPY cmd cmd
COPY configs configs
COPY pkg pkg
ARG VERSION=""
RUN CGO_ENABLED=0 go build -trimpath -buildvcs=false \
	-ldflags "-s -w -X github.com/sluice-siem/sluice/pkg/app.release=$VERSION" \
	-o /rootfs/sluice ./cmd/sluice

# A volume that Docker creates copies owner and mode of the directory it covers.
RUN mkdir -p /rootfs/etc/ssl/certs /rootfs/state/sluice \
	&& chmod 0700 /rootfs/state/sluice \
	&& cp /etc/ssl/certs/ca-certificates.crt /rootfs/etc/ssl/certs/ \
	&& echo 'sluice:x:65532:65532::/var/lib/sluice:/sbin/nologin' >/rootfs/etc/passwd \
	&& echo 'sluice:x:65532:' >/rootfs/etc/group

FROM scratch
COPY --from=build /rootfs/etc /etc
COPY --from=build /rootfs/sluice /sluice
COPY --from=build --chown=65532:65532 /rootfs/state /var/lib

# A number, so that Kubernetes can verify that it is not root (runAsNonRoot).
USER 65532:65532
VOLUME /var/lib/sluice
EXPOSE 9876

# This checks that the process answers, not that it delivers (see /readyz): a
# restart would not help if the SIEM is down. It asks at the admin.listen of this
# file. A container that runs with another file needs that file here too.
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s --retries=3 CMD ["/sluice", "health", "-c", "/etc/sluice/sluice.yaml"]
ENTRYPOINT ["/sluice"]
CMD ["run", "-c", "/etc/sluice/sluice.yaml"]
