// SPDX-License-Identifier: Apache-2.0
// Everything that whoever is asked for help wants to see, in one archive, without secrets. Works on
// a broken installation, too: what cannot be read is replaced by the reason.
#include <cstdio>
#include <cstdlib>
#include <ctime>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json_full.h"
#include "base/text.h"
#include "base/undo.h"
#include "protocol/vm_config.h"
#include "runtime/app.h"
#include "runtime/host/capture.h"
#include "runtime/host/checks.h"
#include "runtime/host/environment.h"
#include "runtime/host/redact.h"
#include "runtime/verbs.h"

namespace cc::runtime {

namespace {

constexpr size_t kMaxCollected = 16 << 20;
constexpr off_t kMaxLog = 4 << 20;  // of a log its end

// A directory that is being filled.
class Collection {
  public:
    explicit Collection(std::string directory) : directory_(std::move(directory)) {}

    Result<void> Put(const std::string& name, std::string_view text) const {
        const std::string path = Cat(directory_, "/", name);
        CC_TRY(MakeDirectories(path.substr(0, path.rfind('/')), 0700));
        return WriteFileAtomic(path, text, 0600);
    }
    Result<void> PutFile(const std::string& name, const std::string& path,
                         std::string (*clean)(std::string_view)) const {
        const auto text = ReadEnd(path);
        return Put(name, text ? clean(*text) : text.error().message + "\n");
    }

  private:
    static Result<std::string> ReadEnd(const std::string& path) {
        CC_ASSIGN(const Fd file, OpenFile(path, O_RDONLY));
        struct stat status {};
        if (::fstat(file.get(), &status) == 0 && status.st_size > kMaxLog)
            (void)::lseek(file.get(), -kMaxLog, SEEK_END);
        return Context(path, ReadAll(file.get(), kMaxCollected));
    }

    std::string directory_;
};

Result<void> PutHost(const Collection& to, const RuntimeConfig& config) {
    CC_TRY(to.Put("version.txt", VersionText() + "\n"));
    CC_TRY(to.Put("env.toml", ToToml(DescribeEnvironment(config))));
    CC_TRY(to.Put("check.txt", Table(CheckHost(config))));
    if (!config.source.empty())
        CC_TRY(to.PutFile("configuration.toml", config.source, WithoutTokens));
    for (const char* name : {"cpuinfo", "meminfo", "mounts", "modules", "cmdline", "version"})
        CC_TRY(to.PutFile(Cat("host/", name), Cat("/proc/", name), WithoutTokens));
    return to.PutFile("logs/proxy.log", config.run_dir + "/proxy.log", WithoutTokens);
}

Result<void> PutContainer(const Collection& to, const Store& store, const std::string& id) {
    const std::string from = Cat(store.root(), "/containers/", id);
    for (const char* name : {"container.json", "config.json"})
        CC_TRY(to.PutFile(Cat("containers/", id, "/", name), Cat(from, "/", name), WithoutSecrets));
    const auto container = store.LoadContainer(id);
    if (!container) return {};
    const auto sandbox = store.LoadSandbox(container->sandbox_id);
    if (!sandbox) return {};
    CC_TRY(
        to.Put(Cat("sandboxes/", sandbox->id, "/sandbox.json"), WithoutSecrets(Encode(*sandbox))));
    for (const auto name : {kConsoleLogName, kKeeperLogName})
        CC_TRY(to.PutFile(Cat("sandboxes/", sandbox->id, "/", name),
                          Cat(sandbox->vm_directory, "/", name), WithoutTokens));
    return {};
}

Result<void> Fill(const Collection& to, const App& app, const RuntimeConfig& config) {
    CC_TRY(PutHost(to, config));
    CC_ASSIGN(const Store store, app.OpenStore());
    CC_ASSIGN(const auto ids, store.Containers());
    for (const auto& id : ids)
        CC_TRY(PutContainer(to, store, id));
    return {};
}

std::string DefaultName() {
    const std::time_t now = std::time(nullptr);
    std::tm utc{};
    ::gmtime_r(&now, &utc);
    char text[32];
    std::strftime(text, sizeof text, "%Y%m%d-%H%M%S", &utc);
    return Cat("cc-collect-", text);
}

// The archive holds one directory named as itself.
Result<void> Archive(const App& app, const RuntimeConfig& config, const std::string& archive,
                     const std::string& name) {
    char place[] = "/tmp/cc-collect.XXXXXX";
    if (::mkdtemp(place) == nullptr) return FailErrno("making a temporary directory");
    Undo undo;
    undo.Push([&] { (void)RemoveTree(place); });
    CC_TRY(Fill(Collection(Cat(place, "/", name)), app, config));
    for (const std::string tar : {"/usr/bin/tar", "/bin/tar"})
        if (::access(tar.c_str(), X_OK) == 0) {
            CC_TRY(Capture(tar, {"-C", place, "-czf", archive, name}));
            return {};
        }
    return Fail("no tar program to pack with; use --directory");
}

Result<int> Collect(App& app, const CliValues& own) {
    CC_ASSIGN(const RuntimeConfig config, app.LoadConfig());
    std::string made = own.Get("directory");
    if (!made.empty()) {
        if (Exists(made)) return Fail(Cat(made, " exists"), EEXIST);
        CC_TRY(Fill(Collection(made), app, config));
    } else {
        const std::string name = DefaultName();
        made = own.Get("output", Cat(name, ".tar.gz"));
        if (Exists(made)) return Fail(Cat(made, " exists"), EEXIST);
        CC_TRY(Archive(app, config, made, name));
    }
    std::printf("%s\n", made.c_str());
    return 0;
}

}  // namespace

CliCommand CollectVerb() {
    return {.name = "collect",
            .help =
                "pack versions, configuration, states and logs for a support request; tokens "
                "and the values of environment variables are left out",
            .options = {{.names = "-o,--output",
                         .value = "FILE",
                         .help = "archive to make (default: cc-collect-DATE-TIME.tar.gz)"},
                        {.names = "--directory",
                         .value = "DIR",
                         .help = "make this directory instead of an archive"}},
            .stop_at_positional = false,
            .run = Run(Collect)};
}

}  // namespace cc::runtime
