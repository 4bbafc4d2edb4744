# Included by the Makefile at the top: what needs an engine. Every variable can be given on make's command line.

IMAGE ?= zimbra:dev
BASE_IMAGE ?= debian:bookworm-slim
NAME ?= zimbra
VOLUME ?= zimbra-data
LAB := build/zcs-lab.tgz

export IMAGE BASE_IMAGE NAME VOLUME VERSION

image: ## build the container image (IMAGE=zimbra:dev BASE_IMAGE=debian:bookworm-slim)
	@docker/image.sh

$(LAB): $(shell find docker/lab -type f 2>/dev/null)
	@docker/lab/build.sh $@

lab: $(LAB) ## build the lab release, build/zcs-lab.tgz

run: $(LAB) ## start it: engine, image, container, progress (NAME= VOLUME= DETACH=1 PUBLISH=1)
	@docker/run.sh

stop: ## stop and remove the container NAME=, keep its volume
	@docker/stop.sh

zctl: ## zctl in the container (ARGS="status --json")
	@docker/zctl.sh $(ARGS)

.PHONY: image lab run stop zctl
