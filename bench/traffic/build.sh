#!/bin/sh
# Builds the traffic generators of the path benchmark: build.sh FOLDER. They are small, so always and all of them.
set -eu
folder=$1
cd "$(dirname "$0")"
mkdir -p "$folder"
for program in copyrelay send receive pingpong steady rr; do
  "${CC:-cc}" -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -Wconversion -Werror -o "$folder/$program" "$program.c"
done
