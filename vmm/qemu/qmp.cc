// SPDX-License-Identifier: Apache-2.0
#include "vmm/qemu/qmp.h"

#include "base/json_full.h"
#include "base/log.h"

namespace cc::qemu {

namespace {
constexpr JsonLimits kLimits{.bytes = QmpClient::kMaxLine, .depth = 32};
// The handshake has no deadline of its own: whoever opens the client has one for the whole start.
constexpr std::chrono::milliseconds kHandshakeDeadline{60 * 60 * 1000};
}  // namespace

Result<std::unique_ptr<QmpClient>> QmpClient::Open(uv::Loop& loop, Fd stream, Callbacks callbacks) {
    auto client = std::unique_ptr<QmpClient>(new QmpClient(loop, std::move(callbacks)));
    auto* self = client.get();
    CC_ASSIGN(client->channel_,
              uv::Channel::Open(loop, std::move(stream),
                                {.on_data = [self](std::string_view bytes) { self->OnData(bytes); },
                                 .on_end =
                                     [self](Result<void> how) {
                                         // A program that ends with unread bytes of ours resets the
                                         // stream: an end, too.
                                         if (!how && how.error().code == ECONNRESET) how = {};
                                         self->End(std::move(how));
                                     },
                                 .on_drained = nullptr}));
    return client;
}

QmpClient::~QmpClient() {
    *alive_ = false;
}

void QmpClient::Execute(std::string_view command, std::string_view arguments,
                        std::chrono::milliseconds deadline, Done done) {
    if (!channel_) {
        done(Fail(Cat(command, ": the VMM's control socket is closed"), EPIPE));
        return;
    }
    channel_->Write(Line(command, arguments, deadline, std::move(done)));
}

void QmpClient::ExecuteWithFd(std::string_view command, std::string_view arguments, const Fd& fd,
                              std::chrono::milliseconds deadline, Done done) {
    // Beside the channel: a descriptor travels with the bytes of one sendmsg(2).
    if (!channel_ || channel_->queued() > 0) {
        done(Fail(Cat(command, ": the VMM's control socket is closed or full"), EPIPE));
        return;
    }
    const std::string line = Line(command, arguments, deadline, std::move(done));
    const int number = fd.get();
    if (auto sent = SendWithFds(channel_->fd(), line, {&number, 1}); !sent)
        Finish(last_id_, Failure(sent.error()));
}

std::string QmpClient::Line(std::string_view command, std::string_view arguments,
                            std::chrono::milliseconds deadline, Done done) {
    const uint64_t id = ++last_id_;
    auto timer = std::make_unique<uv::Timer>(loop_, [this, id, deadline] {
        Finish(id, Fail(Cat("no answer within ", deadline.count(), " ms"), ETIMEDOUT));
    });
    timer->Start(deadline);
    pending_.emplace(id, Pending{std::string(command), std::move(done), std::move(timer)});
    return Cat("{\"execute\":\"", command, "\",",
               arguments.empty() ? "" : "\"arguments\":", arguments, arguments.empty() ? "" : ",",
               "\"id\":", id, "}\n");
}

void QmpClient::OnData(std::string_view bytes) {
    const auto alive = alive_;
    while (!bytes.empty()) {
        const size_t end = bytes.find('\n');
        line_.append(bytes.substr(0, end));
        if (line_.size() > kMaxLine)
            return End(Fail(Cat("the VMM sent a message of more than ", kMaxLine, " bytes")));
        if (end == std::string_view::npos) return;
        bytes.remove_prefix(end + 1);
        const std::string line = std::exchange(line_, {});
        if (Trim(line).empty()) continue;
        auto understood = OnLine(line);
        if (!*alive || !channel_) return;
        if (!understood) return End(Context("the VMM's control socket", std::move(understood)));
    }
}

Result<void> QmpClient::OnLine(std::string_view line) {
    auto message = ParseJson(line, kLimits);
    if (!message) return Fail(Cat(message.error().message, ", in ", Quoted(line, 80)));
    if (!message->is_object()) return Fail(Cat("not a message: ", Quoted(line, 80)));
    if (!greeted_) return OnGreeting(*message);
    if (const Json* event = Member(*message, "event"); event != nullptr && event->is_string()) {
        QmpEvent told;
        told.name = event->get<std::string>();
        if (const Json* data = Member(*message, "data")) {
            told.reason = StringMember(*data, "reason").value_or("");
            told.status = StringMember(*data, "status").value_or("");
            told.device = StringMember(*data, "device").value_or("");
        }
        // The event's handler may replace or destroy us: nothing of ours is touched after it.
        if (callbacks_.on_event) callbacks_.on_event(told);
        return {};
    }
    OnAnswer(*message);
    return {};
}

Result<void> QmpClient::OnGreeting(const Json& message) {
    if (Member(message, "QMP") == nullptr) return Fail("no greeting");
    greeted_ = true;
    Execute("qmp_capabilities", "", kHandshakeDeadline, [this](Result<std::string> agreed) {
        if (!agreed && !channel_) return;  // the stream ended first, and End() is at work
        if (!agreed) return End(Failure(std::move(agreed.error())));
        if (callbacks_.on_ready) callbacks_.on_ready();
    });
    return {};
}

void QmpClient::OnAnswer(const Json& message) {
    const Json* id = Member(message, "id");
    if (id == nullptr || !id->is_number_unsigned()) {
        Log(LogLevel::kDebug, "the VMM sent an answer to no question",
            {{"message", DumpJson(message)}});
        return;
    }
    if (const Json* error = Member(message, "error")) {
        const auto text = StringMember(*error, "desc", "an error without a description");
        // QEMU's words may hold names that a guest or a user chose.
        const std::string quoted = Quoted(text.value_or("an error of no known form"));
        return Finish(id->get<uint64_t>(), Fail(quoted.substr(1, quoted.size() - 2)));
    }
    const Json* returned = Member(message, "return");
    Finish(id->get<uint64_t>(), returned != nullptr ? DumpJson(*returned) : std::string("{}"));
}

void QmpClient::Finish(uint64_t id, Result<std::string> how) {
    const auto found = pending_.find(id);
    if (found == pending_.end()) return;  // answered after its deadline
    const Pending pending = std::move(found->second);
    pending_.erase(found);
    if (!how) how = Context(pending.command, std::move(how));
    pending.done(std::move(how));
}

void QmpClient::End(Result<void> how) {
    const auto alive = alive_;
    const auto closed =
        std::move(channel_);  // until the end of this function: its callback may be on the stack
    while (*alive && !pending_.empty())
        Finish(pending_.begin()->first, Fail("the VMM closed its control socket", EPIPE));
    if (!*alive || !callbacks_.on_end) return;
    auto on_end = std::exchange(callbacks_.on_end, nullptr);
    on_end(std::move(how));
}

}  // namespace cc::qemu
