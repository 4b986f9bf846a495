// SPDX-License-Identifier: Apache-2.0
#include "vmm/file_server.h"

#include <csignal>

#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "vmm/confine.h"

namespace cc {

namespace {

constexpr int kListenerFd = 3;

// A listening socket and a connection to it. Its name is one that the kernel chooses, in the
// keeper's own network namespace: no file is left, and nobody else can come first.
Result<FdPair> MakeConnection() {
    FdPair ends;
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    socklen_t length = sizeof address.sun_family;
    ends.first = Fd::Adopt(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    ends.second = Fd::Adopt(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const int listener = ends.first.get();
    const auto as_socket = reinterpret_cast<sockaddr*>(&address);
    if (!ends.first || !ends.second || ::bind(listener, as_socket, length) < 0 ||
        ::listen(listener, 1) < 0)
        return FailErrno("making the file server's socket");
    length = sizeof address;
    if (::getsockname(listener, as_socket, &length) < 0 ||
        ::connect(ends.second.get(), as_socket, length) < 0)
        return FailErrno("connecting to the file server's socket");
    return ends;
}

}  // namespace

std::vector<std::string> FileServerArguments(const FileServerConfig& config,
                                             const std::string& directory, int listener) {
    // The options of QEMU's virtiofsd, which its successor (the one in Rust) takes as well.
    // announce_submounts: the share holds mounts of many file systems, whose inode numbers would
    // collide in one. modcaps: no device of the host's is made in a container's files.
    std::vector<std::string> arguments{Cat("--fd=", listener), "--rlimit-nofile=0"};
    for (const auto& option :
         {Cat("source=", directory), std::string("sandbox=namespace"), Cat("cache=", config.cache),
          std::string("xattr"), std::string("announce_submounts"), std::string("modcaps=-mknod"),
          std::string("log_level=warn")}) {
        arguments.emplace_back("-o");
        arguments.push_back(option);
    }
    arguments.insert(arguments.end(), config.arguments.begin(), config.arguments.end());
    return arguments;
}

FileServer::FileServer(uv::Loop& loop, Callbacks callbacks)
    : callbacks_(std::move(callbacks)),
      lines_([this](std::string_view line) { callbacks_.on_output(line); }),
      end_watch_(loop, [this](int) { OnProcessEnd(); }) {}

FileServer::~FileServer() {
    process_.Kill();
}

Result<std::unique_ptr<FileServer>> FileServer::Start(uv::Loop& loop,
                                                      const FileServerConfig& config,
                                                      const std::string& directory,
                                                      Callbacks callbacks) {
    auto server = std::unique_ptr<FileServer>(new FileServer(loop, std::move(callbacks)));
    server->program_ = config.program;
    CC_ASSIGN(FdPair ends, MakeConnection());
    CC_ASSIGN(FdPair output, MakePipe());
    SpawnOptions options;
    options.executable = config.program;
    options.arguments = FileServerArguments(config, directory, kListenerFd);
    options.arguments.insert(options.arguments.begin(), config.program);
    options.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
    options.fds = {
        {output.second.get(), 1}, {output.second.get(), 2}, {ends.first.get(), kListenerFd}};
    options.new_process_group = true;
    // It starts a process that does the work, and waits for that: both end at once.
    options.new_pid_namespace = true;
    options.in_child = [] { return ConfineFileServer(); };
    CC_ASSIGN(server->process_, Context("starting the file server", Spawn(options)));
    CC_TRY(server->end_watch_.Open(server->process_.pidfd()));
    server->end_watch_.Start(UV_READABLE);
    CC_ASSIGN(
        server->output_,
        uv::Channel::Open(
            loop, std::move(output.first),
            {.on_data = [raw = server.get()](std::string_view bytes) { raw->lines_.Append(bytes); },
             .on_end = [](const auto&) {},
             .on_drained = nullptr}));
    server->connection_ = std::move(ends.second);
    return server;
}

void FileServer::Stop() {
    told_ = true;
    (void)process_.Signal(SIGKILL);
}

std::vector<int64_t> FileServer::Pids() const {
    std::vector<int64_t> pids{process_.pid()};
    const std::string path = Cat("/proc/", process_.pid(), "/task/", process_.pid(), "/children");
    for (const auto& word : Split(ReadFile(path, 4096).value_or(""), ' '))
        if (const auto pid = ParseNumber<int64_t>(Trim(word))) pids.push_back(*pid);
    return pids;
}

void FileServer::OnProcessEnd() {
    end_watch_.Stop();
    const int status = process_.Reap().value_or(0);
    process_ = Process();
    // What it said last, which may explain all.
    char buffer[4096];
    ssize_t length;
    while (output_ && (length = ::read(output_->fd(), buffer, sizeof buffer)) > 0)
        lines_.Append({buffer, static_cast<size_t>(length)});
    lines_.End();
    const auto last = lines_.Last();
    const bool killed = WIFSIGNALED(status);
    std::string how = killed ? Cat("was killed by signal ", WTERMSIG(status))
                             : Cat("exited with status ", WEXITSTATUS(status));
    if (!last.empty()) how += Cat("; it said: ", Quoted(Join(last, "\n"), 2048));
    const auto on_end = std::move(callbacks_.on_end);  // which may destroy us
    on_end({Cat("the file server ", program_, " ", how), killed ? !told_ : WEXITSTATUS(status) != 0,
            killed && !told_});
}

}  // namespace cc
