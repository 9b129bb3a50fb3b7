/*
 * Sends and verifies a TCP stream or numbered UDP datagrams byte for byte. Both ends derive them
 * from the same seed. Prints `ready`, then one line of JSON.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "integrity.h"
#include "options.h"

static const char usage[] = "Usage: integrity tcp-listen|tcp-connect|udp-receive|udp-send ADDRESS PORT [OPTION...]\n"
                            "  --seed NUMBER          (1)\n"
                            "  --idle-ms MS           how long nothing may come before it is over (10000)\n"
                            "TCP  --bytes BYTES (64 Mi)  --both  data flows in both directions  --cubic\n"
                            "UDP  --count DATAGRAMS (10000)  --smallest BYTES (1)  --largest BYTES (1400)\n"
                            "     --segments DATAGRAMS  of one size in one send with UDP_SEGMENT (1)\n"
                            "     --pps DATAGRAMS a second at most  --gro  receives with UDP_GRO\n"
                            "SIGTERM to udp-receive: the sender is done.\n";

static const struct {
  const char *name;
  int (*run)(const struct settings *settings);
} commands[] = {
    {"tcp-listen", tcp_listen},
    {"tcp-connect", tcp_connect},
    {"udp-receive", udp_receive},
    {"udp-send", udp_send},
};

static void read_options(int argc, char **argv, struct settings *settings) {
  const struct option_spec specs[] = {
      {"seed", &settings->seed, NULL, 0, 0x1p52},
      {"bytes", &settings->bytes, NULL, 1, 0x1p52},
      {"count", &settings->count, NULL, 1, 1e9},
      {"smallest", &settings->smallest, NULL, 0, 65507},
      {"largest", &settings->largest, NULL, 0, 65507},
      {"segments", &settings->segments, NULL, 1, 64},
      {"pps", &settings->pps, NULL, 0, 1e9},
      {"idle-ms", &settings->idle_ms, NULL, 1, 1e6},
      {"both", NULL, &settings->both, 0, 0},
      {"cubic", NULL, &settings->cubic, 0, 0},
      {"gro", NULL, &settings->gro, 0, 0},
  };
  options_read(argc, argv, 4, specs, sizeof(specs) / sizeof(specs[0]));
  if (settings->smallest > settings->largest) refuse("smallest", "is more than largest");
}

int main(int argc, char **argv) {
  struct settings settings = {
      .seed = 1, .bytes = 64 << 20, .count = 10000, .smallest = 1, .largest = 1400, .segments = 1, .idle_ms = 10000};
  for (size_t i = 0; argc >= 4 && i < sizeof(commands) / sizeof(commands[0]); i++) {
    if (strcmp(commands[i].name, argv[1]) != 0) continue;
    settings.address = address_read(argv[2], (unsigned)atoi(argv[3]));
    read_options(argc, argv, &settings);
    return commands[i].run(&settings);
  }
  fputs(usage, stderr);
  return 2;
}
