/*
 * flannel's udp backend as a peer sees it: "plain-proxy TUN LOCAL PORT REMOTE MTU" moves packets
 * between a TUN device and a UDP socket, one a system call. A datagram longer than the MTU is
 * truncated. Creates the device, and ends with a signal.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail(const char *call) {
  perror(call);
  return -1;
}

static int open_tun(const char *name) {
  struct ifreq request;
  const int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
  if (fd < 0) return fail("/dev/net/tun");
  memset(&request, 0, sizeof(request));
  snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", name);
  request.ifr_flags = IFF_TUN | IFF_NO_PI;
  return ioctl(fd, TUNSETIFF, &request) < 0 ? fail("TUNSETIFF") : fd;
}

static struct sockaddr_in endpoint_of(const char *address, const char *port) {
  struct sockaddr_in endpoint = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
  inet_pton(AF_INET, address, &endpoint.sin_addr);
  return endpoint;
}

int main(int count, char **arguments) {
  static uint8_t packet[65536];
  if (count != 6) return 2;
  const int tun = open_tun(arguments[1]), udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const struct sockaddr_in local = endpoint_of(arguments[2], arguments[3]);
  const struct sockaddr_in remote = endpoint_of(arguments[4], arguments[3]);
  const size_t mtu = (size_t)atoi(arguments[5]);
  if (tun < 0 || udp < 0) return 1;
  if (bind(udp, (const struct sockaddr *)&local, sizeof(local)) < 0) return fail("bind") < 0;
  printf("ready\n");
  fflush(stdout);
  struct pollfd fds[] = {{.fd = tun, .events = POLLIN}, {.fd = udp, .events = POLLIN}};
  for (;;) {
    poll(fds, 2, -1);
    if (fds[0].revents) {
      const ssize_t bytes = read(tun, packet, sizeof(packet));
      if (bytes > 0 && sendto(udp, packet, (size_t)bytes, 0, (const struct sockaddr *)&remote, sizeof(remote)) < 0)
        continue;
    }
    if (fds[1].revents) {
      const ssize_t bytes = recv(udp, packet, mtu, 0);
      if (bytes > 0 && write(tun, packet, (size_t)bytes) < 0) continue;
    }
  }
}
