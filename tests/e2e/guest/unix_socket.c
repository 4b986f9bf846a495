// SPDX-License-Identifier: Apache-2.0
// unix-socket serve PATH: answers one connection. unix-socket ask PATH: prints the answer.
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int Fail(const char* what) {
    perror(what);
    return 1;
}

static int Serve(int listener, const struct sockaddr_un* address) {
    if (bind(listener, (const struct sockaddr*)address, sizeof *address) < 0) return Fail("bind");
    if (listen(listener, 1) < 0) return Fail("listen");
    const int client = accept(listener, NULL, NULL);
    if (client < 0) return Fail("accept");
    return write(client, "served\n", 7) == 7 ? 0 : Fail("write");
}

static int Ask(int client, const struct sockaddr_un* address) {
    char answer[16];
    if (connect(client, (const struct sockaddr*)address, sizeof *address) < 0)
        return Fail("connect");
    const ssize_t size = read(client, answer, sizeof answer);
    if (size < 0) return Fail("read");
    return write(1, answer, (size_t)size) == size ? 0 : Fail("write");
}

int main(int count, char** words) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (count != 3 || strlen(words[2]) >= sizeof address.sun_path) return 2;
    strcpy(address.sun_path, words[2]);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0) return Fail("socket");
    return strcmp(words[1], "serve") == 0 ? Serve(fd, &address) : Ask(fd, &address);
}
