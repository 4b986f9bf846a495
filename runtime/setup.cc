// SPDX-License-Identifier: Apache-2.0
// cc-runtime setup: an engine's configuration is made to know cc-runtime, or to forget it.
#include <cstdio>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "runtime/app.h"
#include "runtime/oci/bundle.h"
#include "runtime/setup/diff.h"
#include "runtime/setup/engine.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

constexpr size_t kMaxEngineFile = 1 << 20;
constexpr const char* kBackupSuffix = ".before-cc-runtime";

// The link by whose name the program is cc-runtime, beside the program or in its build.
Result<std::string> FindRuntime(const std::string& given) {
    if (!given.empty()) {
        if (!given.starts_with('/'))
            return Fail(Cat("--runtime ", Quoted(given), ": not absolute"));
        return given;
    }
    CC_ASSIGN(const std::string self, SelfPath());
    const std::string directory = self.substr(0, self.rfind('/'));
    for (const char* name : {"/cc-runtime", "/bin/cc-runtime"})
        if (Exists(directory + name)) return directory + name;
    return Fail(Cat("setup: there is no cc-runtime beside ", self, "; say --runtime PATH"));
}

Result<std::string> ReadIfThere(const std::string& path) {
    auto text = ReadFile(path, kMaxEngineFile);
    if (!text && text.error().code == ENOENT) return std::string();
    return text;
}

// A configuration file that is a symbolic link stays one.
std::string Resolved(const std::string& path) {
    return RealPath(path).value_or(path);
}

Result<void> SyncDirectory(const std::string& path) {
    CC_ASSIGN(const Fd directory, OpenFile(path, O_RDONLY | O_DIRECTORY));
    return ::fsync(directory.get()) < 0 ? FailErrno(Cat("syncing ", path)) : Result<void>{};
}

// The old content or the new one, also after a crash of the machine; with the old file's owner and
// mode.
Result<void> Replace(const std::string& path, const std::string& text) {
    const std::string directory = path.substr(0, path.rfind('/'));
    struct stat old {};
    const bool exists = ::stat(path.c_str(), &old) == 0;
    if (!exists) CC_TRY(MakeDirectories(directory.empty() ? "/" : directory, 0755));
    const std::string beside = path + ".cc-runtime-new";
    auto written = [&]() -> Result<void> {
        CC_ASSIGN(const Fd fd, OpenFile(beside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600));
        CC_TRY(Context(Cat("writing ", beside), WriteAll(fd.get(), text)));
        if (exists && ::fchown(fd.get(), old.st_uid, old.st_gid) < 0)
            return FailErrno(Cat("giving ", beside, " its owner"));
        if (::fchmod(fd.get(), exists ? old.st_mode & 07777 : 0644) < 0)
            return FailErrno(Cat("giving ", beside, " its mode"));
        if (::fsync(fd.get()) < 0) return FailErrno(Cat("syncing ", beside));
        if (::rename(beside.c_str(), path.c_str()) < 0) return FailErrno(Cat("renaming to ", path));
        return SyncDirectory(directory);
    }();
    if (!written) ::unlink(beside.c_str());
    return written;
}

Result<void> Remove(const std::string& path) {
    if (::unlink(path.c_str()) < 0 && errno != ENOENT) return FailErrno(Cat("removing ", path));
    return {};
}

Result<void> Store(const Engine& engine, const EngineFile& file, const EngineEdit& edit,
                   bool undo) {
    const std::string backup = file.path + kBackupSuffix;
    if (engine.keeps_backup && !undo && !file.text.empty() && file.backup.empty())
        CC_TRY(Replace(backup, file.text));
    CC_TRY(edit.text.empty() ? Remove(file.path) : Replace(file.path, edit.text));
    return engine.keeps_backup && undo ? Remove(backup) : Result<void>{};
}

void ShowChange(const EngineFile& file, const EngineEdit& edit) {
    std::printf("--- %s\n+++ %s\n%s", file.text.empty() ? "/dev/null" : file.path.c_str(),
                edit.text.empty() ? "/dev/null" : file.path.c_str(),
                UnifiedDiff(file.text, edit.text).c_str());
}

void ShowNext(const Engine& engine, const SetupWish& wish) {
    const std::string reload = wish.undo ? engine.reload_undone : engine.reload;
    if (!reload.empty()) std::printf("next: %s\n", reload.c_str());
    if (!wish.undo) std::printf("then: %s\n", wish.make_default ? engine.use_default : engine.use);
}

Result<std::string> PathOf(const Engine& engine, const CliValues& own) {
    std::string path = own.Get("config", engine.path);
    if (!path.starts_with('/')) {
        CC_ASSIGN(const std::string here, Context("the current directory", RealPath(".")));
        path = Cat(here, "/", path);
    }
    return Resolved(own.Get("sysroot") + path);
}

Result<int> Setup(App&, const CliValues& own) {
    CC_ASSIGN(const Engine* engine, FindEngine(own.Get("engine")));
    SetupWish wish{{}, own.Has("default"), own.Has("undo")};
    if (wish.undo && wish.make_default)
        return Fail("setup: --undo takes back --default too; they do not go together");
    if (!wish.undo) {
        CC_ASSIGN(wish.runtime, FindRuntime(own.Get("runtime")));
    }
    EngineFile file;
    CC_ASSIGN(file.path, PathOf(*engine, own));
    CC_ASSIGN(file.text, ReadIfThere(file.path));
    if (engine->keeps_backup) {
        CC_ASSIGN(file.backup, ReadIfThere(file.path + kBackupSuffix));
    }
    CC_ASSIGN(const EngineEdit edit, engine->edit(file, wish));
    for (const auto& note : edit.notes)
        std::fprintf(stderr, "cc-runtime: %s: %s\n", file.path.c_str(), note.c_str());
    if (edit.text == file.text) {
        std::printf("%s: nothing to change\n", file.path.c_str());
        return 0;
    }
    ShowChange(file, edit);
    if (own.Has("dry-run")) {
        std::printf("(--dry-run: nothing was written)\n");
        return 0;
    }
    CC_TRY(Context("setup", Store(*engine, file, edit, wish.undo)));
    ShowNext(*engine, wish);
    return 0;
}

}  // namespace

CliCommand SetupVerb() {
    return {
        .name = "setup",
        .help = "make an engine's configuration know cc-runtime, or forget it; restarts nothing",
        .options = {{.names = "engine", .value = "ENGINE", .help = EngineNames(), .required = true},
                    {.names = "--default",
                     .value = "",
                     .help = "also for containers that name no runtime"},
                    {.names = "--dry-run", .value = "", .help = "only show the change"},
                    {.names = "--undo",
                     .value = "",
                     .help = "take away what setup added, and nothing else"},
                    {.names = "--config",
                     .value = "FILE",
                     .help = "the file to edit instead of the engine's usual one (see FILES)"},
                    {.names = "--runtime",
                     .value = "PATH",
                     .help = "what the engine is to start (default: this cc-runtime)"},
                    {.names = "--sysroot",
                     .value = "DIR",
                     .help = "edit the file of a system that lies below DIR"}},
        .run = Run(Setup)};
}

}  // namespace cc::runtime
