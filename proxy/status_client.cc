// SPDX-License-Identifier: Apache-2.0
// `cc-proxy --status` asks the proxy that runs.
#include <cerrno>

#include <sys/socket.h>
#include <sys/time.h>

#include "base/fd.h"
#include "base/text.h"
#include "proxy/status.h"
#include "proxy/status_server.h"

namespace cc::proxy {

namespace {

constexpr size_t kMaxAnswer = 64 << 20;
constexpr timeval kPatience{5, 0};
constexpr std::string_view kRequest = "GET /status HTTP/1.0\r\n\r\n";

Result<std::string> Get(const std::string& path) {
    CC_ASSIGN(const Fd fd, ConnectUnix(path, SOCK_STREAM));
    ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDTIMEO, &kPatience, sizeof kPatience);
    // A caller too many is closed at once; its write fails then, and there is no answer.
    (void)WriteAll(fd.get(), kRequest);
    auto answer = ReadAll(fd.get(), kMaxAnswer);
    if (!answer && answer.error().code == EAGAIN)
        return Fail(Cat("the proxy does not answer on ", path, " within ", kPatience.tv_sec, " s"));
    if (!answer) return Failure(answer.error());
    const size_t body = answer->find("\r\n\r\n");
    if (!answer->starts_with("HTTP/1.0 200 ") || body == std::string::npos)
        return Fail(answer->empty() ? "the proxy has closed the connection: too many ask at once"
                                    : Cat("the proxy answers ", Quoted(*answer)));
    return answer->substr(body + 4);
}

}  // namespace

Result<std::string> AskStatus(const std::string& socket_path) {
    auto status = Get(StatusSocketPath(socket_path));
    if (status) return status;
    const int code = status.error().code;
    if (code != ENOENT && code != ECONNREFUSED) return status;
    // It may run without the other socket.
    if (ConnectUnix(socket_path, SOCK_STREAM))
        return Fail(Cat("cc-proxy runs, but does not tell its status: ", status.error().message));
    return Fail(Cat("no cc-proxy serves ", socket_path));
}

}  // namespace cc::proxy
