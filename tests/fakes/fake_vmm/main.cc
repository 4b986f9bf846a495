// SPDX-License-Identifier: Apache-2.0
// A stand-in for QEMU, with behaviour: takes QEMU's arguments, speaks QMP on the inherited
// descriptor, prints on the console, and misbehaves when the guest kernel's command line (-append)
// holds one of these words:
//
//   fake.refuse        prints an error and exits with status 1 before it says anything on QMP
//   fake.silent        never greets
//   fake.garbage       greets with something that is no JSON
//   fake.crash         ends by a signal once it is up
//   fake.poweroff      the guest powers off once it is up
//   fake.reset         the guest resets itself once it is up
//   fake.deaf          does not obey "quit"
//   fake.chatty        prints 3 MB on the console
//   fake.escape        escape codes on the console
//   fake.agent         an agent is there: rehearses when it is told to
//   fake.old-agent     likewise, but it is one of 3.0
//   fake.no-restore    cannot be restored
//   fake.no-room       has no slot for a device
//   fake.keeps-disks   the guest lets go of no disk
//   fake.slow-save     needs a second to be saved
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>

#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "protocol/agent_frame.h"
#include "protocol/agent_messages.h"

namespace {

std::string append;

// The root image, as the machine sees it; other memory goes behind it (device_add).
constexpr std::string_view kImage =
    R"({"type": "nvdimm", "data": {"id": "image0", "addr": 4294967296, "size": 10485760}})";

// The value of `key` in QEMU's "a,b=c" syntax.
std::string ValueOf(const std::string& option, const std::string& key) {
    size_t start = 0;
    while (start < option.size()) {
        const size_t end = std::min(option.find(',', start), option.size());
        const std::string pair = option.substr(start, end - start);
        if (pair.starts_with(key + "=")) return pair.substr(key.size() + 1);
        start = end + 1;
    }
    return "";
}

bool Asked(const char* word) {
    return append.find(word) != std::string::npos;
}

void Say(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t count = ::write(fd, text.data(), text.size());
        if (count <= 0) std::exit(1);
        text.remove_prefix(static_cast<size_t>(count));
    }
}

[[noreturn]] void EndOf(int qmp, const char* reason) {
    Say(qmp, std::string("{\"timestamp\":{\"seconds\":1,\"microseconds\":2},\"event\":\"SHUTDOWN\","
                         "\"data\":{\"guest\":true,"
                         "\"reason\":\"") +
                 reason + "\"}}\r\n");
    std::exit(0);
}

std::string IdOf(const std::string& line) {
    const size_t start = line.rfind("\"id\":");
    if (start == std::string::npos) return "0";
    return line.substr(start + 5, line.find_first_of(",}", start) - start - 5);
}

// What a saved machine is, to this one.
constexpr std::string_view kState = "the state of a fake machine";
int state_fd = -1;

// What it translates is how often it was stopped.
int record_fd = -1;
int stops = 0;

void Record() {
    const std::string text = "translated up to stop " + std::to_string(++stops);
    if (record_fd >= 0 &&
        (::ftruncate(record_fd, 0) < 0 || ::pwrite(record_fd, text.data(), text.size(), 0) < 0))
        std::exit(1);
}

void CheckArchive(int fd) {
    char text[64] = {};
    if (::pread(fd, text, sizeof text, 0) > 0 &&
        std::string_view(text).starts_with("translated up to stop"))
        return;
    std::fprintf(stderr, "fake-vmm: no archive of translations\n");
    std::exit(1);
}

void Save(int qmp) {
    if (Asked("fake.slow-save")) ::sleep(1);
    if (::pwrite(state_fd, kState.data(), kState.size(), 0) < 0) std::exit(1);
    Say(qmp, "{\"event\":\"MIGRATION\",\"data\":{\"status\":\"completed\"}}\r\n");
}

void Restore(int qmp, const std::string& line) {
    const int fd = std::atoi(line.substr(line.find("fd:") + 3).c_str());
    char state[64] = {};
    if (::read(fd, state, sizeof state) < 0 || state != kState || Asked("fake.no-restore")) {
        std::fprintf(stderr, "fake-vmm: load of migration failed: Invalid argument\n");
        std::exit(1);
    }
    Say(qmp, "{\"event\":\"MIGRATION\",\"data\":{\"status\":\"completed\"}}\r\n");
    Say(qmp, "{\"event\":\"RESUME\"}\r\n");
}

// A process of its own: one talk after the other.
void BeAgent(int ctl, int console) {
    const pid_t machine = ::getpid();
    if (::fork() != 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    // It may have died before that.
    if (::getppid() != machine) std::exit(0);
    while (true) {
        const int host = ::accept(ctl, nullptr, nullptr);
        if (host < 0) std::exit(0);
        const int extension = Asked("fake.old-agent") ? 0 : cc::kAgentExtension;
        Say(host, cc::EncodeControl(cc::ControlCode::kReady, Encode(cc::ReadyOffer{extension})));
        cc::ControlDecoder decoder;
        char buffer[4096];
        bool rehearsed = false;
        while (true) {
            const ssize_t count = ::read(host, buffer, sizeof buffer);
            if (count <= 0) break;
            decoder.Push({buffer, static_cast<size_t>(count)});
            const auto message = decoder.Next();
            if (!message || !*message) continue;
            rehearsed = (*message)->code == cc::ControlCode::kRehearse;
            Say(host, cc::EncodeControl(cc::ControlCode::kAck, {}));
        }
        ::close(host);
        if (rehearsed) Say(console, std::string(cc::kRehearsedLine) + "\r\n");
    }
}

void Obey(int qmp, const std::string& line) {
    const auto is = [&](const char* command) {
        return line.find(std::string("\"execute\":\"") + command + "\"") != std::string::npos;
    };
    if (is("quit") && Asked("fake.deaf")) return;
    if (is("stop")) Record();
    if (is("stop")) Say(qmp, "{\"event\":\"STOP\"}\r\n");
    if (is("cont")) Say(qmp, "{\"event\":\"RESUME\"}\r\n");
    if (is("unheard-of")) {
        Say(qmp, "{\"id\":" + IdOf(line) +
                     ",\"error\":{\"class\":\"CommandNotFound\",\"desc\":\"no such\"}}\r\n");
        return;
    }
    if (is("query-memory-devices")) {
        Say(qmp, "{\"return\": [" + std::string(kImage) + "], \"id\": " + IdOf(line) + "}\r\n");
        return;
    }
    if (is("query-hotpluggable-cpus")) {
        const std::string place =
            R"({"type":"max-x86_64-cpu","vcpus-count":1,"props":{"core-id":0,"socket-id":)";
        Say(qmp,
            "{\"return\": [" + place + "2}}," + place + "1}}], \"id\": " + IdOf(line) + "}\r\n");
        return;
    }
    const bool nic = line.find("virtio-net-pci") != std::string::npos ||
                     line.find("virtio-blk-pci") != std::string::npos ||
                     line.find("vfio-pci") != std::string::npos;
    const bool cpu = line.find("max-x86_64-cpu") != std::string::npos;
    const bool share = line.find("vhost-user-fs-pci") != std::string::npos;
    const bool fits = nic || share ? !Asked("fake.no-room")
                                   : cpu || line.find("\"addr\":4429185024") != std::string::npos;
    if (is("device_add") && !fits) {
        Say(qmp, "{\"id\": " + IdOf(line) + ", \"error\": {\"desc\": \"not there\"}}\r\n");
        return;
    }
    // Before it says so: whoever hears it may look.
    if (is("netdev_del") || is("closefd") || is("remove-fd")) ::close(state_fd);
    Say(qmp, "{\"return\": {}, \"id\": " + IdOf(line) + "}\r\n");
    if (is("device_del") && !Asked("fake.keeps-disks")) {
        const size_t id = line.find(R"("id":"disk)");
        Say(qmp, "{\"event\":\"DEVICE_DELETED\",\"data\":{\"device\":" +
                     line.substr(id + 5, line.find('"', id + 6) - id - 4) + "}}\r\n");
    }
    if (is("quit")) EndOf(qmp, "host-qmp-quit");
    if (is("device_del"))
        Say(qmp, "{\"event\":\"DEVICE_DELETED\",\"data\":{\"device\":\"share0\"}}\r\n");
    if (is("migrate")) Save(qmp);
    if (is("migrate-incoming")) Restore(qmp, line);
}

void Behave(int qmp, int console) {
    Say(console, "fake guest: up\r\n");
    if (Asked("fake.escape")) Say(console, "\x1b]0;owned\a\r\n");
    if (Asked("fake.chatty"))
        for (int i = 0; i < 3 * 1024; ++i)
            Say(console, std::string(1022, 'a' + static_cast<char>(i % 26)) + "\r\n");
    if (Asked("fake.crash")) {
        std::signal(SIGSEGV, SIG_DFL);  // AddressSanitizer has a handler
        std::raise(SIGSEGV);
    }
    if (Asked("fake.poweroff")) EndOf(qmp, "guest-shutdown");
    if (Asked("fake.reset")) {
        Say(console, "Kernel panic - not syncing: fake\r\n");
        EndOf(qmp, "guest-reset");
    }
}

// A descriptor that comes along is where to save to, or the tap of a network device, which lives as
// long as this process.
ssize_t Read(int qmp, char* buffer, size_t size) {
    iovec data{buffer, size};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t count = ::recvmsg(qmp, &message, 0);
    if (const cmsghdr* header = CMSG_FIRSTHDR(&message); count > 0 && header != nullptr)
        std::memcpy(&state_fd, CMSG_DATA(header), sizeof state_fd);
    return count;
}

void Serve(int qmp, int console) {
    std::string pending;
    bool up = false;
    char buffer[4096];
    while (true) {
        const ssize_t count = Read(qmp, buffer, sizeof buffer);
        if (count <= 0) std::exit(0);
        pending.append(buffer, static_cast<size_t>(count));
        for (size_t end; (end = pending.find('\n')) != std::string::npos;
             pending.erase(0, end + 1)) {
            Obey(qmp, pending.substr(0, end));
            if (!up) Behave(qmp, console);
            up = true;
        }
    }
}

}  // namespace

int main(int argc, char** argv) {
    std::map<std::string, int> fds;
    for (int i = 1; i + 1 < argc; ++i) {
        const std::string flag = argv[i], value = argv[i + 1];
        if (flag == "-append") append = value;
        if (const std::string fd = ValueOf(value, "record-fd"); flag == "-accel" && !fd.empty())
            record_fd = std::atoi(fd.c_str());
        if (const std::string fd = ValueOf(value, "archive-fd"); flag == "-accel" && !fd.empty())
            CheckArchive(std::atoi(fd.c_str()));
        if (flag == "-chardev") fds[ValueOf(value, "id")] = std::atoi(ValueOf(value, "fd").c_str());
    }
    const int qmp = fds["control"], console = fds["console"];
    if (qmp == 0 || console == 0) {
        std::fprintf(stderr, "fake-vmm: no control or console descriptor\n");
        return 1;
    }
    for (const auto* channel : {"ctl", "io"}) {
        int listening = 0;
        socklen_t length = sizeof listening;
        if (::getsockopt(fds[channel], SOL_SOCKET, SO_ACCEPTCONN, &listening, &length) < 0 ||
            listening == 0) {
            std::fprintf(stderr, "fake-vmm: %s is not a listening socket\n", channel);
            return 1;
        }
    }
    if (Asked("fake.refuse")) {
        std::fprintf(stderr,
                     "fake-vmm: -machine \x1b[31mnonsense\x1b[0m: unsupported machine type\nUse "
                     "-machine help\n");
        return 1;
    }
    if (Asked("fake.silent"))
        while (true)
            ::pause();
    if (Asked("fake.garbage")) Say(qmp, "\x1b[2Jthis is not QMP\n");
    Say(qmp,
        "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 0, \"minor\": 0, \"major\": 0}}, "
        "\"capabilities\": []}}\r\n");
    if (Asked("fake.agent") || Asked("fake.old-agent")) BeAgent(fds["ctl"], console);
    Serve(qmp, console);
}
