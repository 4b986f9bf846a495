// SPDX-License-Identifier: Apache-2.0
// The kernel's files for page sharing, in a temporary folder.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "proxy/ksm_tuner.h"
#include "tests/scratch.h"

namespace cc::proxy {

class FakeKsm {
  public:
    static constexpr KsmValues kFound{0, 100, 20};

    FakeKsm() {
        paths.root = folder / "ksm";
        paths.meminfo = folder / "meminfo";
        paths.boot_id = folder / "boot_id";
        paths.record = folder / "proxy.sock.ksm";
        REQUIRE(MakeDirectories(paths.root, 0700));
        SetFile("run", "0\n");
        SetFile("pages_to_scan", "100\n");
        SetFile("sleep_millisecs", "20\n");
        Boot("00000000-0000-0000-0000-00000000000a");
        SetAnonymousPages(100'000);
    }
    void SetFile(std::string_view name, std::string_view text) const {
        REQUIRE(WriteFileAtomic(Path(name), text, 0600));
    }
    void Boot(std::string_view id) const {
        REQUIRE(WriteFileAtomic(paths.boot_id, Cat(id, "\n"), 0600));
    }
    void SetAnonymousPages(uint64_t pages) const {
        const auto page_size = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
        const std::string text =
            Cat("MemTotal:       16 kB\nAnonPages:      ", pages * page_size / 1024,
                " kB\nMapped:   7 kB\n");
        REQUIRE(WriteFileAtomic(paths.meminfo, text, 0600));
    }
    // Such a file can be neither read nor written, by root either.
    void Break(std::string_view name) const {
        ::unlink(Path(name).c_str());
        REQUIRE(::mkdir(Path(name).c_str(), 0700) == 0);
    }
    void Mend(std::string_view name, std::string_view text) const {
        REQUIRE(::rmdir(Path(name).c_str()) == 0);
        SetFile(name, text);
    }
    KsmTuner Begin(KsmMode mode = KsmMode::kAuto) const {
        auto tuner = KsmTuner::Begin(paths, mode);
        REQUIRE_MESSAGE(tuner, tuner.error().message);
        return std::move(*tuner);
    }
    // As a proxy does that is killed.
    void LeaveTuned(KsmPace pace = KsmPace::kAggressive) const { REQUIRE(Begin().Apply(pace)); }

    KsmValues Now() const { return KsmFiles(paths.root).Read().value(); }
    bool Remembered() const { return Exists(paths.record); }
    std::string Path(std::string_view name) const { return Cat(paths.root, "/", name); }

    test::Scratch folder;
    KsmPaths paths;
};

// Until it is true; the test gives up long after it should be.
inline bool Eventually(const std::function<bool()>& is_true) {
    for (int i = 0; i < 2000; ++i) {
        if (is_true()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
}

}  // namespace cc::proxy
