// SPDX-License-Identifier: Apache-2.0
// systemd as far as scopes go, on a socket of its own or behind what looks like a bus. Units are
// names; jobs end as it is told.
#pragma once

#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/text.h"
#include "protocol/dbus.h"
#include "tests/scratch.h"

namespace cc::test {

class FakeSystemd {
  public:
    FakeSystemd() : listener_(ListenUnix(path(), SOCK_STREAM, 0600).value()) {
        thread_ = std::thread([this] { Serve(); });
    }
    ~FakeSystemd() {
        ::shutdown(listener_.get(), SHUT_RDWR);
        thread_.join();
    }
    FakeSystemd(const FakeSystemd&) = delete;
    FakeSystemd& operator=(const FakeSystemd&) = delete;

    std::string path() const { return scratch_ / "systemd"; }
    // "StartTransientUnit web.scope", in their order.
    std::vector<std::string> calls() {
        const std::lock_guard lock(mutex_);
        return calls_;
    }
    DbusMessage last() {
        const std::lock_guard lock(mutex_);
        return last_;
    }

    std::string refuses_login;  // set before it is connected to
    std::string job_result = "done";
    std::set<std::string> units, failed_units;

  private:
    void Serve() {
        while (true) {
            const Fd peer = Fd::Adopt(::accept(listener_.get(), nullptr, nullptr));
            if (!peer) return;
            Talk(peer.get());
        }
    }
    void Talk(int peer) {
        std::string line;
        char byte = 0;
        while (!line.ends_with("\r\n") && ::read(peer, &byte, 1) == 1)
            line += byte;
        const std::string user = HexEncode(std::to_string(::geteuid()));
        const bool good = refuses_login.empty() &&
                          line == Cat(std::string_view("\0", 1), "AUTH EXTERNAL ", user, "\r\n");
        (void)WriteAll(peer, good ? "OK 0123456789abcdef\r\n" : "REJECTED EXTERNAL\r\n");
        if (!good) return;
        line.clear();
        while (!line.ends_with("BEGIN\r\n") && ::read(peer, &byte, 1) == 1)
            line += byte;
        DbusDecoder decoder;
        char buffer[4096];
        for (ssize_t count = 0; (count = ::read(peer, buffer, sizeof buffer)) > 0;) {
            decoder.Push({buffer, static_cast<size_t>(count)});
            for (auto next = decoder.Next(); next && *next; next = decoder.Next())
                Answer(peer, **next);
        }
    }
    void Answer(int peer, const DbusMessage& call) {
        DbusReader in(call.body);
        const std::string unit =
            call.signature.starts_with("s") ? in.String().value_or("") : std::string();
        {
            const std::lock_guard lock(mutex_);
            calls_.push_back(unit.empty() ? call.member : Cat(call.member, " ", unit));
            last_ = call;
        }
        if (call.member == "StartTransientUnit") {
            if (units.contains(unit) || failed_units.contains(unit))
                return Error(peer, call, "UnitExists", Cat("Unit ", unit, " already exists."));
            units.insert(unit);
            return Job(peer, call, unit);
        }
        if (call.member == "StopUnit") {
            if (units.erase(unit) == 0)
                return Error(peer, call, "NoSuchUnit", Cat("Unit ", unit, " not loaded."));
            return Job(peer, call, unit);
        }
        if (call.member == "SetUnitProperties" && !units.contains(unit))
            return Error(peer, call, "NoSuchUnit", Cat("Unit ", unit, " not loaded."));
        if (call.member == "ResetFailedUnit") failed_units.erase(unit);
        Return(peer, call, "", "");
    }
    void Return(int peer, const DbusMessage& call, const std::string& signature,
                const std::string& body) {
        DbusMessage answer;
        answer.type = DbusType::kReturn;
        answer.serial = ++serial_;
        answer.reply_serial = call.serial;
        answer.signature = signature;
        answer.body = body;
        (void)WriteAll(peer, Encode(answer));
    }
    void Error(int peer, const DbusMessage& call, const std::string& name,
               const std::string& text) {
        DbusMessage answer;
        answer.type = DbusType::kError;
        answer.serial = ++serial_;
        answer.reply_serial = call.serial;
        answer.error_name = "org.freedesktop.systemd1." + name;
        answer.signature = "s";
        DbusWriter body;
        body.String(text);
        answer.body = body.bytes();
        (void)WriteAll(peer, Encode(answer));
    }
    // The job of somebody else ends first, and ours before its number is told: both happen.
    void Job(int peer, const DbusMessage& call, const std::string& unit) {
        const std::string job = Cat("/org/freedesktop/systemd1/job/", ++serial_);
        JobRemoved(peer, "/org/freedesktop/systemd1/job/0", "other.service", "failed");
        JobRemoved(peer, job, unit, job_result);
        DbusWriter body;
        body.String(job);
        Return(peer, call, "o", body.bytes());
    }
    void JobRemoved(int peer, const std::string& job, const std::string& unit,
                    const std::string& result) {
        DbusMessage signal;
        signal.type = DbusType::kSignal;
        signal.serial = ++serial_;
        signal.path = "/org/freedesktop/systemd1";
        signal.interface = "org.freedesktop.systemd1.Manager";
        signal.member = "JobRemoved";
        signal.signature = "uoss";
        DbusWriter body;
        body.Uint32(1);
        body.String(job);
        body.String(unit);
        body.String(result);
        signal.body = body.bytes();
        (void)WriteAll(peer, Encode(signal));
    }

    Scratch scratch_;
    Fd listener_;
    std::thread thread_;
    std::mutex mutex_;
    std::vector<std::string> calls_;
    DbusMessage last_;
    uint32_t serial_ = 0;
};

}  // namespace cc::test
