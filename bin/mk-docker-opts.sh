#!/bin/sh
# `weft docker-opts` under the name in units for Docker beside flannel.
exec "$(dirname "$(readlink -f "$0")")/weft" docker-opts "$@"
