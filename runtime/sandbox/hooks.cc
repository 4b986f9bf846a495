// SPDX-License-Identifier: Apache-2.0
#include "runtime/sandbox/hooks.h"

#include <cstdio>

#include <sched.h>
#include <unistd.h>

#include "base/json_full.h"
#include "base/log.h"
#include "base/run_to_end.h"
#include "protocol/oci_hooks.h"
#include "runtime/sandbox/shim_process.h"

namespace cc::runtime {

namespace {

// By which dockerd knows that it shall move the links that it has made into the namespace.
constexpr std::string_view kDockersHook = "libnetwork-setkey";

Result<void> RunHook(const OciHook& hook, std::string_view stage, const ContainerRecord& container,
                     const std::string& state, int mounts) {
    Fd network;
    if (stage == kCreateContainer) {
        CC_ASSIGN(network, NetworkNamespaceOf(container.shim.pid));
    }
    SpawnOptions options = SpawnOptionsOf(hook);
    options.in_child = [&]() -> Result<void> {
        // First: it changes the working directory, and the bundle may be a mount.
        if (mounts >= 0 && ::setns(mounts, CLONE_NEWNS) < 0)
            return FailErrno("entering the mount namespace of the container's hooks");
        // A bundle may be gone when its container is deleted.
        if (::chdir(container.bundle.c_str()) < 0 && ::chdir("/") < 0)
            return FailErrno("entering the bundle");
        if (network && ::setns(network.get(), CLONE_NEWNET) < 0)
            return FailErrno("entering the container's network namespace");
        return {};
    };
    return RunToEnd(std::move(options), state, hook.timeout);
}

// As net.ipv4.conf.eth0.forwarding, and what links begin with: net.ipv4.conf.default.forwarding.
bool SetsUpLinks(const Json& configuration) {
    const Json* linux_json = Member(configuration, "linux");
    const Json* sysctl = linux_json != nullptr ? Member(*linux_json, "sysctl") : nullptr;
    if (sysctl == nullptr || !sysctl->is_object()) return false;
    for (const auto& [key, value] : sysctl->items())
        for (const std::string_view links : {".conf.", "/conf/", ".neigh.", "/neigh/"})
            if (key.find(links) != std::string::npos) return true;
    return false;
}

using OnFailure = Result<void> (*)(Result<void> failed);

Result<void> RunAll(const Json& configuration, std::string_view stage,
                    const ContainerRecord& container, Status status, int mounts,
                    OnFailure on_failure) {
    CC_ASSIGN(const auto hooks, ParseHooks(configuration, stage));
    const pid_t pid = status == Status::kStopped ? 0 : container.shim.pid;
    const std::string state = HookState(container, status, pid);
    for (size_t i = 0; i < hooks.size(); ++i) {
        auto ran = Context(Cat("hook ", stage, "[", i, "], ", hooks[i].path),
                           RunHook(hooks[i], stage, container, state, mounts));
        if (!ran) CC_TRY(on_failure(std::move(ran)));
    }
    return {};
}

Result<void> Warn(Result<void> failed) {
    const std::string& why = failed.error().message;
    std::fprintf(stderr, "cc-runtime: warning: %s\n", why.c_str());
    Log(LogLevel::kWarn, why);
    return {};
}

}  // namespace

std::string HookState(const ContainerRecord& container, Status status, pid_t pid) {
    Json json = {
        {"ociVersion", container.oci_version}, {"id", container.id}, {"status", Name(status)}};
    if (pid != 0) json["pid"] = pid;
    json["bundle"] = container.bundle;
    json["annotations"] = Json::object();
    for (const auto& [key, value] : container.annotations)
        json["annotations"][key] = value;
    return DumpJson(json);
}

Result<bool> HasHooks(const Json& configuration, std::string_view stage) {
    CC_ASSIGN(const auto hooks, ParseHooks(configuration, stage));
    return !hooks.empty();
}

Result<bool> CanRunBeside(const Json& configuration) {
    bool any = false;
    for (const std::string_view stage : {kPrestart, kCreateRuntime, kCreateContainer}) {
        CC_ASSIGN(const auto hooks, ParseHooks(configuration, stage));
        for (const auto& hook : hooks) {
            const bool dockers = !hook.args.empty() && hook.args.front() == kDockersHook;
            if (!dockers || stage == kCreateContainer) return false;
            any = true;
        }
    }
    return any && !SetsUpLinks(configuration);
}

Result<void> RunHooks(const Json& configuration, std::string_view stage,
                      const ContainerRecord& container, Status status, int mounts) {
    return RunAll(configuration, stage, container, status, mounts,
                  [](Result<void> failed) { return failed; });
}

void RunHooksAnyway(const Json& configuration, std::string_view stage,
                    const ContainerRecord& container, Status status) {
    if (auto ran = RunAll(configuration, stage, container, status, -1, Warn); !ran) (void)Warn(ran);
}

}  // namespace cc::runtime
