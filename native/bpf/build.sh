#!/bin/sh
# Compiles the program for the kernel into native/bpf/kernel/program.h, which is committed: building weft needs no BPF compiler.
# To be run after each change of its sources; a spec compares the digest in program.h with them. Needs clang and llvm.
set -eu
cd "$(dirname "$0")/../.."
folder=.build/bpf
kernel=native/bpf/kernel
sources="$kernel/overlay.bpf.c $kernel/decap-frame.h $kernel/headers.h $kernel/inner.h $kernel/ipv4.h $kernel/ipv6.h $kernel/join.h $kernel/outer.h $kernel/shared.h"
mkdir -p "$folder"
clang -O2 -target bpf -Wall -Wextra -Werror -I"/usr/include/$(uname -m)-linux-gnu" -c native/bpf/kernel/overlay.bpf.c -o "$folder/overlay.o"

# Instructions of one program, 8 bytes each, as an array of 64-bit numbers.
print_program() {
  llvm-objcopy -O binary -j "$1" "$folder/overlay.o" "$folder/$1.bin"
  echo "static const uint64_t weft_bpf_$1[] = {"
  od -An -v -t x8 -w48 "$folder/$1.bin" | sed 's/ \([0-9a-f]\{16\}\)/ 0x\1,/g; s/^/ /'
  echo '};'
}

{
  echo "/* Made by build.sh from its sources. sha256 of all: $(cat $sources | sha256sum | cut -d' ' -f1) */"
  echo '#ifndef WEFT_BPF_PROGRAM_H'
  echo '#define WEFT_BPF_PROGRAM_H'
  echo
  echo '#include <stdint.h>'
  echo
  print_program tx
  echo
  print_program rx
  echo
  print_program tx6
  echo
  print_program rx6
  echo
  print_program in
  echo
  echo '#endif'
} >"$folder/program.h"
mv "$folder/program.h" native/bpf/kernel/program.h
