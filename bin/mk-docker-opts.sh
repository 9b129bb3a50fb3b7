#!/bin/sh
# `weft docker-opts` under the name that units for Docker beside flannel call.
exec "$(dirname "$(readlink -f "$0")")/weft" docker-opts "$@"
