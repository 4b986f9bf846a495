// SPDX-License-Identifier: Apache-2.0
#include "host/systemd.h"

#include "base/text.h"

namespace cc {

namespace {

constexpr const char* kService = "org.freedesktop.systemd1";
constexpr const char* kObject = "/org/freedesktop/systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
constexpr std::string_view kUnitExists = "org.freedesktop.systemd1.UnitExists";
constexpr std::string_view kNoSuchUnit = "org.freedesktop.systemd1.NoSuchUnit";
constexpr std::chrono::milliseconds kJobDeadline{30000};

// What the engines' other runtimes ask for, too.
std::vector<DbusProperty> PropertiesOf(const ScopeRequest& request) {
    return {{"Description", request.description},
            {"Slice", request.slice},
            {"PIDs", std::vector<uint32_t>{static_cast<uint32_t>(request.pid)}},
            {"Delegate", true},
            {"MemoryAccounting", true},
            {"CPUAccounting", true},
            {"IOAccounting", true},
            {"TasksAccounting", true},
            // It shall not end with the system's other units, and not stay when it has failed.
            {"DefaultDependencies", false},
            {"CollectMode", std::string("inactive-or-failed")}};
}

}  // namespace

const std::vector<BusAddress>& Systemd::Addresses() {
    static const std::vector<BusAddress> addresses{{"/run/systemd/private", false},
                                                   {"/run/dbus/system_bus_socket", true}};
    return addresses;
}

Result<Systemd> Systemd::Connect(const std::vector<BusAddress>& addresses) {
    std::vector<std::string> reasons;
    for (const auto& address : addresses) {
        auto bus = BusConnection::Connect(address);
        if (!bus) {
            reasons.push_back(bus.error().message);
            continue;
        }
        Systemd systemd(std::move(*bus));
        if (auto hears = systemd.HearSignals(address.bus); hears)
            return systemd;
        else
            reasons.push_back(Cat(address.path, ": ", hears.error().message));
    }
    return Fail(Cat("systemd is not reachable: ", Join(reasons, "; ")));
}

// The end of a job is told by a signal.
Result<void> Systemd::HearSignals(bool bus) {
    if (bus) {
        DbusMessage match;
        match.destination = "org.freedesktop.DBus";
        match.path = "/org/freedesktop/DBus";
        match.interface = "org.freedesktop.DBus";
        match.member = "AddMatch";
        match.signature = "s";
        DbusWriter rule;
        rule.String(Cat("type='signal',sender='", kService, "',interface='", kManager,
                        "',member='JobRemoved'"));
        match.body = rule.bytes();
        CC_ASSIGN(const DbusMessage answer, bus_.Call(std::move(match)));
        CC_TRY(CheckAnswer(answer));
    }
    CC_ASSIGN(const DbusMessage answer, Ask("Subscribe", "", {}));
    return CheckAnswer(answer);
}

Result<DbusMessage> Systemd::Ask(const std::string& member, const std::string& signature,
                                 const DbusWriter& body) {
    DbusMessage message;
    message.destination = kService;
    message.path = kObject;
    message.interface = kManager;
    message.member = member;
    message.signature = signature;
    message.body = body.bytes();
    return bus_.Call(std::move(message));
}

Result<void> Systemd::AwaitJob(const std::string& job, const std::string& unit) {
    std::string result;
    // JobRemoved: number, job, unit, result
    const auto ours = [&](const DbusMessage& signal) {
        if (signal.member != "JobRemoved" || signal.signature != "uoss") return false;
        DbusReader in(signal.body);
        if (!in.Uint32() || in.String().value_or("") != job || !in.String()) return false;
        result = in.String().value_or("");
        return true;
    };
    CC_TRY(Context(Cat("systemd's job for ", unit), bus_.AwaitSignal(ours, kJobDeadline)));
    if (result == "done") return {};
    return Fail(Cat("systemd's job for ", unit, " ended with ", Quoted(result, 32)));
}

Result<void> Systemd::StartScope(const ScopeRequest& request) {
    DbusWriter body;
    body.String(request.unit);
    body.String("replace");  // mode: another job of this unit gives way
    AppendProperties(body, PropertiesOf(request));
    body.EndArray(body.BeginArray(8));  // no units beside it
    const std::string what = Cat("starting ", request.unit);
    for (bool again = true;; again = false) {
        CC_ASSIGN(const DbusMessage answer,
                  Context(what, Ask("StartTransientUnit", "ssa(sv)a(sa(sv))", body)));
        if (answer.type == DbusType::kError && answer.error_name == kUnitExists && again) {
            // One that has failed and was never looked at is in the way; one that runs stays so.
            CC_TRY(Context(what, ResetFailed(request.unit)));
            continue;
        }
        CC_TRY(Context(what, CheckAnswer(answer)));
        CC_ASSIGN(const std::string job, Context(what, DbusReader(answer.body).String()));
        return AwaitJob(job, request.unit);
    }
}

Result<void> Systemd::SetProperties(const std::string& unit,
                                    const std::vector<DbusProperty>& properties) {
    if (properties.empty()) return {};
    DbusWriter body;
    body.String(unit);
    body.Bool(true);  // not written to disk
    AppendProperties(body, properties);
    const std::string what = Cat("setting limits of ", unit);
    CC_ASSIGN(const DbusMessage answer, Context(what, Ask("SetUnitProperties", "sba(sv)", body)));
    return Context(what, CheckAnswer(answer));
}

Result<void> Systemd::RemoveScope(const std::string& unit) {
    DbusWriter stop;
    stop.String(unit);
    stop.String("replace");
    const std::string what = Cat("ending ", unit);
    CC_ASSIGN(const DbusMessage stopped, Context(what, Ask("StopUnit", "ss", stop)));
    if (stopped.type == DbusType::kError && stopped.error_name == kNoSuchUnit) return {};
    CC_TRY(Context(what, CheckAnswer(stopped)));
    CC_ASSIGN(const std::string job, Context(what, DbusReader(stopped.body).String()));
    CC_TRY(AwaitJob(job, unit));
    return Context(what, ResetFailed(unit));
}

// It is forgotten anyway when it has ended well: then there is nothing to reset, and no error.
Result<void> Systemd::ResetFailed(const std::string& unit) {
    DbusWriter body;
    body.String(unit);
    CC_TRY(Ask("ResetFailedUnit", "s", body));
    return {};
}

}  // namespace cc
