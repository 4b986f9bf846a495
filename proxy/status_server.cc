// SPDX-License-Identifier: Apache-2.0
#include "proxy/status_server.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "base/uv/channel.h"
#include "proxy/limits.h"

namespace cc::proxy {

namespace {

constexpr unsigned kSocketMode = 0600;
constexpr std::string_view kPlain = "text/plain; charset=utf-8";

std::string Response(std::string_view status, std::string_view type, std::string_view body) {
    return Cat("HTTP/1.0 ", status, "\r\nContent-Type: ", type, "\r\nContent-Length: ", body.size(),
               "\r\nConnection: close\r\n\r\n", body);
}

// A request ends with an empty line.
bool IsWhole(std::string_view request) {
    return request.find("\r\n\r\n") != std::string_view::npos ||
           request.find("\n\n") != std::string_view::npos;
}

}  // namespace

std::string StatusSocketPath(std::string_view socket_path) {
    constexpr std::string_view suffix = ".sock";
    if (socket_path.ends_with(suffix)) socket_path.remove_suffix(suffix.size());
    return Cat(socket_path, ".metrics.sock");
}

// One connection: a request, an answer, the end.
class StatusServer::Caller {
  public:
    Caller(StatusServer& server, uint64_t number)
        : server_(server), number_(number), deadline_(server.loop_, [this] { Leave(); }) {}

    Result<void> Open(Fd connection) {
        uv::Channel::Callbacks callbacks;
        callbacks.on_data = [this](std::string_view bytes) { Data(bytes); };
        callbacks.on_end = [this](const Result<void>& how) { Ended(how); };
        callbacks.on_drained = [this] { Leave(); };
        CC_ASSIGN(channel_, uv::Channel::Open(server_.loop_, std::move(connection), callbacks));
        deadline_.Start(server_.deadline_);
        return {};
    }

  private:
    // All of these may destroy this object with their last call.
    void Data(std::string_view bytes) {
        request_ += bytes.substr(0, kMaxRequest + 1);
        if (request_.size() > kMaxRequest)
            Reply(Response("400 Bad Request", kPlain, "the request is too long\n"));
        else if (IsWhole(request_))
            Reply(server_.Answer(request_));
    }
    void Reply(std::string_view response) {
        answered_ = true;
        channel_->PauseReading();
        writing_ = true;
        channel_->Write(response);
        writing_ = false;
        if (channel_->queued() == 0) Leave();
    }
    // Who has said all it has to say may still wait for its answer.
    void Ended(const Result<void>& how) {
        if (!writing_ && (!how || !answered_)) Leave();
    }
    void Leave() { server_.callers_.erase(number_); }

    StatusServer& server_;
    const uint64_t number_;
    uv::Timer deadline_;
    std::string request_;
    bool answered_ = false;
    bool writing_ = false;  // a write may end the stream; who writes sees it afterwards
    std::unique_ptr<uv::Channel> channel_;
};

Result<std::unique_ptr<StatusServer>> StatusServer::Open(uv::Loop& loop, const std::string& path,
                                                         MakePage make_page,
                                                         std::chrono::milliseconds deadline) {
    CC_ASSIGN(Fd listener, ListenUnix(path, SOCK_STREAM, kSocketMode));
    auto server = std::unique_ptr<StatusServer>(new StatusServer(loop, path, std::move(make_page)));
    server->deadline_ = deadline;
    struct stat status {};
    if (::stat(path.c_str(), &status) < 0) return FailErrno(Cat("looking at ", path));
    server->device_ = status.st_dev;
    server->inode_ = status.st_ino;
    CC_ASSIGN(server->listener_, Listener::Open(loop, std::move(listener), kSparedByStatus,
                                                [&s = *server](Fd connection, uid_t) {
                                                    s.Accept(std::move(connection));
                                                }));
    return server;
}

StatusServer::StatusServer(uv::Loop& loop, std::string path, MakePage make_page)
    : loop_(loop), path_(std::move(path)), make_page_(std::move(make_page)) {}

StatusServer::~StatusServer() {
    struct stat status {};
    if (::stat(path_.c_str(), &status) == 0 && status.st_dev == device_ && status.st_ino == inode_)
        ::unlink(path_.c_str());
}

void StatusServer::Accept(Fd connection) {
    if (callers_.size() >= kMaxCallers) return;
    const uint64_t number = ++last_caller_;
    auto caller = std::make_unique<Caller>(*this, number);
    if (auto opened = caller->Open(std::move(connection)); !opened)
        return Log(LogLevel::kWarn, opened.error().message);
    callers_.emplace(number, std::move(caller));
}

std::string StatusServer::Answer(std::string_view request) const {
    const std::string_view line = request.substr(0, request.find_first_of("\r\n"));
    const auto words = Split(line, ' ');
    if (words.size() != 3 || !words[2].starts_with("HTTP/1."))
        return Response("400 Bad Request", kPlain, "this socket answers HTTP GET\n");
    if (words[0] != "GET")
        return Response("405 Method Not Allowed", kPlain, "this socket answers GET only\n");
    const auto page = make_page_(words[1]);
    if (!page) return Response("404 Not Found", kPlain, "there are /metrics and /status\n");
    return Response("200 OK", page->content_type, page->body);
}

}  // namespace cc::proxy
