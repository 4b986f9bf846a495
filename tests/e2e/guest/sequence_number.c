// SPDX-License-Identifier: Apache-2.0
// Runs in a container: what the kernel's secret adds to the first sequence number of a TCP
// connection. Linux makes the number of a keyed hash of the addresses and ports, and of the real
// time in units of 64 ns. The addresses are fixed here, the time is taken away again.
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int fail(const char* what) {
    perror(what);
    return 1;
}

int main(void) {
    const int wire = socket(AF_PACKET, SOCK_DGRAM, htons(ETH_P_IP));
    if (wire < 0) return fail("packet socket");
    const int client = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in from = {AF_INET, htons(40000), {htonl(INADDR_LOOPBACK)}, {0}};
    const struct sockaddr_in to = {AF_INET, htons(40001), {htonl(INADDR_LOOPBACK)}, {0}};
    if (bind(client, (struct sockaddr*)&from, sizeof from) < 0) return fail("bind");
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    (void)connect(client, (const struct sockaddr*)&to, sizeof to);
    struct {
        struct iphdr ip;
        struct tcphdr tcp;
        char rest[1500];
    } packet;
    while (recv(wire, &packet, sizeof packet, 0) > 0) {
        if (packet.ip.protocol != IPPROTO_TCP || !packet.tcp.syn || packet.tcp.ack) continue;
        const uint64_t clock = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
        printf("%u\n", ntohl(packet.tcp.seq) - (uint32_t)(clock >> 6));
        return 0;
    }
    return fail("recv");
}
