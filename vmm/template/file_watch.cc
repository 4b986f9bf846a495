// SPDX-License-Identifier: Apache-2.0
#include "vmm/template/file_watch.h"

#include <array>

#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/text.h"

namespace cc {

namespace {

// A file that is unlinked, or replaced by a rename, has its number of links changed: IN_ATTRIB.
constexpr uint32_t kOfFile = IN_ATTRIB | IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF;
// Nothing else: it would be told of all that happens in the directory.
constexpr uint32_t kOfDirectory = IN_MOVE_SELF | IN_DELETE_SELF | IN_ONLYDIR;

// Polls as urgent when the table of mounts has changed since the last poll.
constexpr const char* kMounts = "/proc/self/mountinfo";

}  // namespace

Result<std::unique_ptr<FileWatch>> FileWatch::Open(uv::Loop& loop,
                                                   const std::vector<std::string>& files,
                                                   std::function<void()> on_change) {
    Fd events = Fd::Adopt(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!events) return FailErrno("watching files");
    CC_ASSIGN(Fd mounts, OpenFile(kMounts, O_RDONLY));
    auto watch = std::unique_ptr<FileWatch>(
        new FileWatch(loop, std::move(events), std::move(mounts), std::move(on_change)));
    for (const auto& file : files)
        CC_TRY(watch->Add(file));
    CC_TRY(watch->Start());
    return watch;
}

FileWatch::FileWatch(uv::Loop& loop, Fd events, Fd mounts, std::function<void()> on_change)
    : events_(std::move(events)),
      mounts_(std::move(mounts)),
      on_change_(std::move(on_change)),
      events_poll_(loop,
                   [this](int) {
                       Drain();
                       on_change_();
                   }),
      mounts_poll_(loop, [this](int) { on_change_(); }) {}

Result<void> FileWatch::Add(const std::string& file) {
    if (::inotify_add_watch(events_.get(), file.c_str(), kOfFile) < 0)
        return FailErrno(Cat("watching ", file));
    for (size_t slash = file.rfind('/'); slash != 0 && slash != std::string::npos;
         slash = file.rfind('/', slash - 1)) {
        const std::string directory = file.substr(0, slash);
        if (::inotify_add_watch(events_.get(), directory.c_str(), kOfDirectory) < 0)
            return FailErrno(Cat("watching ", directory));
    }
    return {};
}

Result<void> FileWatch::Start() {
    CC_TRY(events_poll_.Open(events_.get()));
    CC_TRY(mounts_poll_.Open(mounts_.get()));
    events_poll_.Start(UV_READABLE);
    mounts_poll_.Start(UV_PRIORITIZED);
    return {};
}

void FileWatch::Drain() {
    std::array<char, 4096> buffer{};
    while (::read(events_.get(), buffer.data(), buffer.size()) > 0) {
    }
}

}  // namespace cc
