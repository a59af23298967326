"""Dockerfiles as people write them: for courses, papers, services and clusters. Every one builds,
with its files at hand; many could be better, which is no mistake. `BROKEN` builds nowhere."""

from __future__ import annotations

_TEXT = r"""
=== a course of statistics
FROM python:3.12-slim
RUN pip install --no-cache-dir numpy pandas matplotlib statsmodels
=== no tag, and an old word
FROM ubuntu
MAINTAINER Ada Lovelace <ada@example.org>
RUN apt-get update && apt-get install -y python3 python3-pip
=== everything of the folder
FROM python:3.11
WORKDIR /srv/app
ADD . .
RUN pip install -r requirements.txt
CMD python app.py
=== two stages
FROM golang:1.22 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN CGO_ENABLED=0 go build -o /out/server ./cmd/server
FROM gcr.io/distroless/static-debian12
COPY --from=build /out/server /server
ENTRYPOINT ["/server"]
=== a stage by its number
FROM node:20
WORKDIR /ui
COPY package*.json ./
RUN npm ci && npm run build
FROM nginx:alpine
COPY --from=0 /ui/dist /usr/share/nginx/html
EXPOSE 80/tcp 443
=== names in capitals
FROM debian:bookworm as Base
RUN touch /here
FROM BASE As second
COPY --from=Base /here /there
=== an argument for the base
ARG VERSION=3.12
FROM python:${VERSION}-slim
ARG VERSION
RUN echo "Python $VERSION" > /version
=== an argument that may be empty
ARG FLAVOUR
FROM docker.io/tensorflow/tensorflow:latest$FLAVOUR
RUN pip install jupyter
=== conda in a login shell
FROM continuumio/miniconda3:24.5.0-0
COPY environment.yml /tmp/environment.yml
RUN conda env create -f /tmp/environment.yml && conda clean -afy
SHELL ["conda", "run", "-n", "analysis", "/bin/bash", "-c"]
RUN python -c "import scipy"
=== comments and blank lines within a RUN
FROM alpine:3.20

# what the service needs
RUN apk add --no-cache \
    # for the certificates
    ca-certificates \

    tzdata \
    && cp /usr/share/zoneinfo/UTC /etc/localtime
=== R for an exercise
FROM rocker/r-ver:4.4
RUN R -e "install.packages(c('dplyr', 'ggplot2'), repos = 'https://cloud.r-project.org')"
RUN Rscript -e 'IRkernel::installspec(user = FALSE)' || true
=== Julia
FROM julia:1.10
ENV JULIA_DEPOT_PATH=/opt/julia
RUN julia -e 'using Pkg; Pkg.add("IJulia"); Pkg.precompile()'
=== a graphics card
FROM nvidia/cuda:12.4.1-runtime-ubuntu22.04
ENV DEBIAN_FRONTEND=noninteractive PATH=/opt/venv/bin:$PATH
RUN apt-get update && apt-get -y upgrade && apt-get install -y python3-venv
RUN python3 -m venv /opt/venv && pip install torch
=== labels in several ways
FROM busybox:1.36
LABEL org.opencontainers.image.title="A title" \
      org.opencontainers.image.authors='A. N. Other'
LABEL maintainer someone@example.org
LABEL "quoted key"="v" plain=v
=== ENV of old
FROM python:3.10
ENV LANG C.UTF-8
ENV GREETING Hello to all
ENV A=1 B="two words" C=three\ words
=== a user of its own
FROM jupyter/minimal-notebook:latest
USER root
RUN useradd -m student && echo "student:student" | chpasswd
USER ${NB_UID}
WORKDIR "${HOME}"
=== cd, sudo and pipes
FROM ubuntu:24.04
RUN cd /tmp && curl -fsSL https://example.org/install.sh | bash
RUN sudo apt-get install -y vim; exit 0
=== health
FROM postgres:16
HEALTHCHECK --interval=30s --timeout=3s --retries=5 CMD pg_isready -U postgres || exit 1
STOPSIGNAL SIGINT
VOLUME ["/var/lib/postgresql/data"]
=== no health
FROM redis
HEALTHCHECK NONE
VOLUME /data /backup
=== a cache and a secret
# syntax=docker/dockerfile:1
FROM python:3.12
RUN --mount=type=cache,target=/root/.cache/pip --mount=type=secret,id=token,required=true \
    pip install --extra-index-url "https://$(cat /run/secrets/token)@pypi.example.org" private
=== here-documents
# syntax=docker/dockerfile:1.4
FROM fedora:40
RUN <<EOF
dnf install -y python3
dnf clean all
EOF
COPY <<-"CONF" /etc/app.conf
	[app]
	name = $NOT_EXPANDED
	CONF
RUN <<EOT bash
echo one
EOT
=== two here-documents at once
FROM alpine
COPY <<one.txt <<two.txt /texts/
first
one.txt
second
two.txt
RUN cat /texts/*
=== a backtick escapes
# escape=`
FROM mcr.microsoft.com/windows/nanoserver:ltsc2022
COPY app.exe C:\app\
RUN dir `
    C:\app
=== small letters
from python:3.9
run pip install flask
copy . /app
expose 5000
cmd ["flask", "run"]
=== tabs and spaces
	FROM   perl:5
  RUN	cpanm   --notest  JSON::XS
 WORKDIR	/x
=== JSON for paths with spaces
FROM httpd:2.4
COPY ["my site/index.html", "/usr/local/apache2/htdocs/"]
ADD ["logo one.png", "logo two.png", "/img/"]
=== archives and addresses
FROM debian:stable-slim
ADD https://example.org/data.csv /data/
ADD --chown=1000:1000 models.tar.gz /models/
COPY --chmod=755 entrypoint.sh /usr/local/bin/
=== late flags
FROM python:3.13-slim
COPY --link requirements.txt /tmp/
COPY --exclude=*.pyc --parents src/./lib /app/
ADD --checksum=sha256:24454f830cdb571e2c4ad15481119c43b3cafd48 https://example.org/x.tgz /x.tgz
RUN --network=none python -m compileall /app
=== for another machine
FROM --platform=$BUILDPLATFORM rust:1.79 AS build
ARG TARGETARCH TARGETOS=linux
RUN echo "for $TARGETOS/$TARGETARCH" && cargo --version
FROM --platform=linux/amd64 debian:12-slim
COPY --from=build --chown=nobody:nogroup /usr/local/cargo/bin/cargo /bin/
=== for those who build on it
FROM node:18-alpine
ONBUILD COPY package.json /app/
ONBUILD RUN ["npm", "install", "--omit=dev"]
ONBUILD ENTRYPOINT ["node", "/app"]
=== a digest
FROM python@sha256:1d9f2f6e2fbb4c1a0e9f5a8e2a3ccf6f0b6a0a7b9f0b9c6e2a77a3c5a5b6c7d8
RUN true
=== a registry with a port
FROM registry.example.org:5000/team/image:1.0_rc-2
COPY --from=registry.example.org:5000/team/tools /bin/tool /bin/tool
=== from nothing
FROM scratch
ADD rootfs.tar.xz /
CMD ["/bin/sh"]
=== variables that shells and engines know
FROM ubuntu:22.04
ARG PREFIX=/opt
ENV HOME_OF=${PREFIX:-/usr/local}/share NEXT=${PREFIX:+yes} DOLLAR=\$PREFIX
WORKDIR $HOME_OF/work
COPY data/*.csv ${HOME_OF}/
RUN for f in *.csv; do echo "$f ${f%.csv}"; done
=== a marked stage for tests
FROM python:3.12 AS base
RUN pip install pytest
FROM base AS test
COPY tests /tests
RUN pytest /tests
FROM base AS final
COPY src /src
=== many layers of packages
FROM centos:7
RUN yum -y install epel-release
RUN yum -y install gcc gcc-c++ make
RUN yum -y install openmpi-devel && yum clean all
ENV PATH /usr/lib64/openmpi/bin:$PATH
ENV LD_LIBRARY_PATH /usr/lib64/openmpi/lib
=== a long command line
FROM debian:12
RUN set -eux; \
	savedAptMark="$(apt-mark showmanual)"; \
	apt-get update; \
	apt-get install -y --no-install-recommends wget; \
	wget -O /usr/local/bin/tool "https://example.org/tool-$(dpkg --print-architecture)"; \
	apt-mark auto '.*' > /dev/null; \
	[ -z "$savedAptMark" ] || apt-mark manual $savedAptMark; \
	apt-get purge -y --auto-remove
=== texts that look like instructions
FROM alpine:latest
RUN echo "FROM here" && printf '%s\n' 'RUN: a word' > /FROM
CMD ["sh", "-c", "echo 'COPY that'"]
=== several bases that nobody joins
FROM alpine:3.19 AS one
FROM alpine:3.20 AS two
RUN echo two
=== an end without a newline, and a last comment
FROM quay.io/jupyter/scipy-notebook:2024-05-27
RUN mamba install --yes 'xarray' 'netcdf4' && mamba clean --all -f -y
# vim: ft=dockerfile
=== other languages' words
FROM python:3.12
# Größe der Daten: 3 µm — 日本語
ENV TITLE="Übung №1"
RUN echo "naïve café" > /grüße.txt
=== flags in quotes
FROM --platform="linux/amd64" python:3.12
RUN --mount=type=cache,target="/root/.cache/pip" pip install pandas
RUN --mount="type=cache,target=/root/.cache/pip" pip install "numpy"
COPY --chown="1000:1000" --from=debian:12 /etc/os-release /etc/debian
=== what the base defines
FROM nvidia/cuda:12.4.1-base-ubuntu22.04
ADD https://developer.download.nvidia.com/compute/cuda/${NVARCH}/3bf863cc.pub /k.pub
COPY ${APP}.jar /app/
WORKDIR "${HOME}"
=== what the base must define
FROM quay.io/jupyter/base-notebook:2024-05-27
ENV KERNELS=${CONDA_DIR:?}/share/jupyter/kernels
WORKDIR ${HOME:?}
USER ${NB_UID?}
=== an escape behind a syntax
# syntax=docker/dockerfile:1
# escape=`
FROM mcr.microsoft.com/windows/nanoserver:ltsc2022
WORKDIR C:\app
RUN dir `
    C:\app
=== a reader of long ago
# syntax = docker/dockerfile:1.0-experimental
FROM golang:1.13
RUN --mount=type=cache,target=/go/pkg/mod go version
=== variables in what is copied
FROM debian:12 AS build
ARG VERSION=1.2 DIR="my files"
ADD https://example.org/tool-${VERSION}.tar.gz /src/
COPY $DIR/a.txt ${VERSION}/*.csv /src/
FROM debian:12
WORKDIR /src/${UNSET}
COPY --from=build /src/$UNSET /src/
=== an entry point and its arguments
FROM openjdk:17-slim
COPY target/*.jar /app.jar
ENV JAVA_OPTS="-Xmx512m"
ENTRYPOINT exec java $JAVA_OPTS -jar /app.jar
CMD []
"""

BUILDS: dict[str, str] = {
    part.partition("\n")[0]: part.partition("\n")[2] for part in _TEXT.split("\n=== ")[1:]
}

BROKEN: dict[str, tuple[str, int]] = {
    "no FROM": ("RUN true\n", 1),
    "nothing": ("\n# only this\n", 1),
    "a word that is none": ("FROM a\nRUNN true\n", 2),
    "FROM without an image": ("FROM\n", 1),
    "FROM with a name and no AS": ("FROM a b\n", 1),
    "a name that cannot be": ("FROM a AS 1st\n", 1),
    "one name for two": ("FROM a AS x\nFROM b AS X\n", 2),
    "COPY of nothing": ("FROM a\nCOPY x\n", 2),
    "several files and no folder": ("FROM a:1\nCOPY x y /z\n", 2),
    "a flag that is none": ("FROM a\nCOPY --form=x /a /b\n", 2),
    "a stage that comes later": ("FROM a\nCOPY --from=x /a /b\nFROM b AS x\n", 2),
    "a number of no stage": ("FROM a\nCOPY --from=3 /a /b\n", 2),
    "a here-document without an end": ("FROM a\nRUN <<EOF\ntrue\n", 2),
    "a list that is none": ("FROM a\nSHELL /bin/bash -c\n", 2),
    "ONBUILD of ONBUILD": ("FROM a\nONBUILD ONBUILD RUN x\n", 2),
    "an image that is none": ("FROM Image:tag\n", 1),
    "a base by nothing": ("FROM $BASE\n", 1),
    "health by no command": ("FROM a\nHEALTHCHECK --interval=5s true\n", 2),
}
